"""Lattice noise: integers with the rounded Gaussian's law, decided by the word alone, added without error.

False alarms: the seeds are fixed, so a run either always passes or never does. Over the choice of seeds each
statistical comparison fails by chance with probability at most FALSE_ALARM = 1e-6.
"""

from decimal import Decimal
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.special import ndtr
from scipy.stats import chi2, kstest, norm
from tests.smoothing.lattices import noise_at
from tests.smoothing.test_noise import ADDRESSES, BLOCK, FALSE_ALARM, KEY, correlation_at_every_lag
from torch import Tensor

from soundproof.errors import InvalidPlan
from soundproof.smoothing import lattice_noise
from soundproof.smoothing.lattice import Lattice
from soundproof.smoothing.lattice_noise import QUANTILE_ERROR, rounded_normal, snap, uniform_words
from soundproof.smoothing.noise_address import Stage
from soundproof.stats.normal_tail import upper_tail

CPU = torch.device("cpu")
SIGMA = 0.3
LATTICE = Lattice(SIGMA)
GOLDEN = [[243628.0, 72995.0, -2910925.0], [-229676.0, -1084273.0, 1071858.0]]
# Words at the ends: the least and the greatest tails of either sign.
ENDS = torch.tensor([0, 1, 2**62, 2**63 - 1, -(2**63), 1 - 2**63, -(2**62), -1])


def random_words(count: int) -> Tensor:
    return uniform_words(KEY, Stage.ESTIMATION, 5, (count,))


def tail_of(word: int) -> Decimal:
    """Exactly (v + 1/2) 2^-64."""
    exact = Fraction(2 * (word & (2**63 - 1)) + 1, 2**65)
    return Decimal(exact.numerator) / Decimal(exact.denominator)


@pytest.mark.parametrize("s", [0.01, 0.7, 3.3, 1000.0, 2.0**20, 2.0**21 - 1, 2.0**30])
def test_the_integer_is_the_one_that_the_words_tail_defines(s: float) -> None:
    """Q((k + 1/2) / s) < (v + 1/2) 2^-64 <= Q((k - 1/2) / s), in 50 digits, for every word."""
    drawn = torch.cat([ENDS, random_words(300)])
    for word, signed in zip(drawn.tolist(), rounded_normal(drawn, s).tolist(), strict=True):
        k, tail = abs(int(signed)), tail_of(word)
        assert signed == int(signed)
        assert signed == 0 or (signed < 0) == (word < 0)
        beyond = (Decimal(k) + Decimal("0.5")) / Decimal(s)
        assert beyond > 10 or upper_tail(beyond) < tail
        assert k == 0 or tail <= upper_tail((Decimal(k) - Decimal("0.5")) / Decimal(s))


def words_around(middle: float, s: float) -> Tensor:
    """The words whose tails lie next to Q(`middle` / s), on both sides and of both signs."""
    at = int(upper_tail(Decimal(middle) / Decimal(s)) * 2**64)
    near = [at + offset for offset in range(-3, 4)]
    return torch.tensor([*near, *(word - 2**63 for word in near)])


@pytest.mark.parametrize("s", [0.7, 37.0, 2.0**20, 2.0**21 - 1])
def test_words_next_to_a_middle_fall_on_their_own_side(s: float) -> None:
    """Where float64 cannot tell, the integers still change at one place, the right one."""
    for k in {1, round(0.5 * s) + 1, round(2 * s) + 1, round(4 * s) + 1}:
        near = words_around(k - 0.5, s)
        threshold = upper_tail((Decimal(k) - Decimal("0.5")) / Decimal(s))
        expected = [k if tail_of(word) <= threshold else k - 1 for word in near.tolist()]
        assert rounded_normal(near, s).abs().tolist() == expected
        assert set(expected) == {k, k - 1}


def test_without_the_exact_decision_some_words_would_fall_on_the_wrong_side(monkeypatch: pytest.MonkeyPatch) -> None:
    s = 2.0**20
    near = torch.cat([words_around(k - 0.5, s) for k in range(1, 40)])
    exact = rounded_normal(near, s)
    monkeypatch.setattr(lattice_noise, "QUANTILE_ERROR", 0.0)
    assert not torch.equal(rounded_normal(near, s), exact)


def test_the_quantile_errs_by_a_sixteenth_of_what_is_allowed() -> None:
    """Q(|z| + e) < tail < Q(|z| - e) in 50 digits, e = QUANTILE_ERROR / 16; tails spread over all magnitudes."""
    e = Decimal(QUANTILE_ERROR / 16)
    drawn = random_words(1_200) & (2**63 - 1)
    drawn = torch.cat([ENDS & (2**63 - 1), drawn >> (torch.arange(len(drawn)) // 20)])
    quantiles = -torch.special.ndtri(drawn.double().add(0.5).mul(2.0**-64))
    for word, z in zip(drawn.tolist(), quantiles.tolist(), strict=True):
        tail = tail_of(word)
        assert upper_tail(Decimal(z) + e) < tail
        assert Decimal(z) <= e or tail < upper_tail(Decimal(z) - e)


@pytest.mark.parametrize("s", [0.4, 1.0, 3.3, 50.0])
def test_every_integer_comes_as_often_as_it_should(s: float) -> None:
    """Chi-square of 1,024,000 draws; integers expected fewer than 20 times are taken together, by sign."""
    drawn = rounded_normal(uniform_words(KEY, Stage.ESTIMATION, 7, (64, 16_000)), s).flatten().long()
    last = int(np.floor(8 * s)) + 1
    edges = (np.arange(-last, last) + 0.5) / s
    share = np.diff(ndtr(edges), prepend=0.0, append=1.0)  # of every k from -last to last, the ends taking the rest
    found = np.bincount((drawn.clamp(-last, last) + last).numpy(), minlength=2 * last + 1)
    often = np.flatnonzero(share * drawn.numel() >= 20)
    first, final = often[0], often[-1]
    groups = [slice(None, first + 1), *(slice(i, i + 1) for i in range(first + 1, final)), slice(final, None)]
    expected = np.array([share[group].sum() for group in groups]) * drawn.numel()
    seen = np.array([found[group].sum() for group in groups])
    assert chi2.sf(((seen - expected) ** 2 / expected).sum(), len(groups) - 1) > FALSE_ALARM


def test_on_the_lattice_of_the_service_the_noise_is_normal() -> None:
    """Its steps are far too fine for 4,096,000 draws to tell."""
    drawn = torch.cat([noise_at(LATTICE, KEY, Stage.ESTIMATION, block, BLOCK) for block in range(64)])
    assert kstest(drawn.flatten().numpy() / SIGMA, "norm").pvalue > FALSE_ALARM
    assert kstest(drawn.flatten().numpy() / SIGMA * 1.01, "norm").pvalue < FALSE_ALARM


def test_noise_is_whole_steps() -> None:
    drawn = noise_at(LATTICE, KEY, Stage.ESTIMATION, 5, BLOCK)
    assert drawn.dtype == torch.float64
    assert drawn.shape == BLOCK
    assert torch.equal((drawn / LATTICE.step).round() * LATTICE.step, drawn)


def test_the_same_address_gives_the_same_noise_whatever_is_drawn_with_it() -> None:
    large = noise_at(LATTICE, KEY, Stage.ESTIMATION, 5, (100, 1000))  # more than one piece
    assert torch.equal(noise_at(LATTICE, KEY, Stage.ESTIMATION, 5, (100, 1000)), large)
    assert torch.equal(noise_at(LATTICE, KEY, Stage.ESTIMATION, 5, (3, 1000)), large[:3])


def test_this_address_has_always_given_this_noise() -> None:
    """If this fails, every certificate's seed means other noise than it did: that is a new major version. It holds on
    every machine: no library's logarithm has a say in it."""
    drawn = noise_at(LATTICE, KEY, Stage.ESTIMATION, 5, (2, 3), group=1)
    assert (drawn / LATTICE.step).tolist() == GOLDEN


@pytest.mark.parametrize(("one", "two"), list(combinations([*ADDRESSES, "another group"], 2)))
def test_different_addresses_are_uncorrelated_at_every_lag(one: str, two: str) -> None:
    addresses = {name: (*address, BLOCK, CPU, 0) for name, address in ADDRESSES.items()}
    addresses["another group"] = (*ADDRESSES["the address"], BLOCK, CPU, 1)
    noise = [noise_at(LATTICE, *addresses[name]) / SIGMA for name in (one, two)]
    draws = noise[0].numel()
    allowed = float(norm.isf(FALSE_ALARM / 2 / draws)) / np.sqrt(draws)
    assert np.abs(correlation_at_every_lag(*noise)).max() < allowed < 0.05


@pytest.mark.parametrize("sigma", [1e-6, 0.05, 1.0, 1e3])
def test_point_and_noise_are_added_exactly(sigma: float) -> None:
    """Against whole numbers of Python's: the sum of the steps, then one rounding to float32."""
    lattice = Lattice(sigma)
    clip = torch.from_numpy(np.random.default_rng(0).standard_normal(500))
    point, noise = snap(lattice, clip), noise_at(lattice, KEY, Stage.ESTIMATION, 0, (4, 500))
    step = Fraction(lattice.step)
    for row, heard in zip(noise, (point + noise).float(), strict=True):
        for x, z, y in zip(point.tolist(), row.tolist(), heard.tolist(), strict=True):
            steps = Fraction(x) / step + Fraction(z) / step
            assert steps.denominator == 1
            exact = Fraction(int(steps)) * step
            assert y == np.float32(float(exact))
            assert Fraction(float(exact)) == exact, "float64 holds it, so that float32 is the only rounding"


@pytest.mark.parametrize("sigma", [0.001, 0.5])
def test_a_clip_is_moved_to_the_nearest_point_of_the_lattice(sigma: float) -> None:
    lattice = Lattice(sigma)
    clip = torch.from_numpy(np.random.default_rng(1).standard_normal(16_000))
    point = snap(lattice, clip)
    assert float((point - clip).abs().max()) <= lattice.step / 2
    assert torch.equal(snap(lattice, point), point)
    assert 2 * float(torch.linalg.vector_norm(point - clip)) < lattice.distance_slack(16_000)


def test_a_16_bit_clip_without_gain_is_not_moved_at_all() -> None:
    clip = torch.randint(-32768, 32768, (16_000,), generator=torch.Generator().manual_seed(0)).double() / 32768
    assert torch.equal(snap(LATTICE, clip), clip)
    halves = clip / 2  # the mean of two channels
    assert torch.equal(snap(LATTICE, halves), halves)


def test_no_sum_is_minus_zero() -> None:
    """A classifier may tell the two zeros apart, and a lattice point is one number."""
    point = snap(LATTICE, torch.tensor([-0.0, 0.0, -1e-12, LATTICE.step, -LATTICE.step], dtype=torch.float64))
    noise = torch.stack([torch.full_like(point, -0.0), torch.full_like(point, 0.0), -point])
    heard = (point + noise).float()
    assert not torch.signbit(torch.cat([point[None], heard])[torch.cat([point[None], heard]) == 0]).any()


def test_a_clip_too_loud_for_its_noise_is_refused() -> None:
    lattice = Lattice(1e-6)
    assert snap(lattice, torch.tensor([4e3], dtype=torch.float64)).isfinite().all()
    for level in (5e3, float("nan")):
        with pytest.raises(InvalidPlan, match="too small"):
            snap(lattice, torch.tensor([level], dtype=torch.float64))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_rounds_the_same_words_to_the_same_integers() -> None:
    drawn = torch.cat([ENDS, random_words(1_000_000)])
    for s in (0.7, 2.0**20):
        assert torch.equal(rounded_normal(drawn.cuda(), s).cpu(), rounded_normal(drawn, s))
    one, again = (noise_at(LATTICE, KEY, Stage.ESTIMATION, 5, (1024, 1000), "cuda").cpu() for _ in range(2))
    assert torch.equal(one, again)
    assert kstest(one.flatten().numpy() / SIGMA, "norm").pvalue > FALSE_ALARM
