"""Noise by address: the same address is the same noise, another is other noise, and all of it is N(0, 1).

False alarms: the seeds are fixed, so a run either always passes or never does. Over the choice of seeds each
statistical comparison fails by chance with probability at most FALSE_ALARM = 1e-6.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import binom, kstest, norm
from torch import Tensor

from soundproof.smoothing.noise import block_normal, standard_normal
from soundproof.smoothing.noise_address import Stage, stream_key

FALSE_ALARM = 1e-6
# Standard deviations that a normal variable passes on either side with probability FALSE_ALARM.
ALLOWED = float(norm.isf(FALSE_ALARM / 2))
KEY = stream_key(1, "a clip")
BLOCK = (128, 500)

ADDRESSES = {
    "the address": (KEY, Stage.ESTIMATION, 5),
    "another block": (KEY, Stage.ESTIMATION, 6),
    "another stage": (KEY, Stage.SELECTION, 5),
    "training": (KEY, Stage.TRAINING, 5),
    "another seed": (stream_key(2, "a clip"), Stage.ESTIMATION, 5),
    "another clip": (stream_key(1, "b clip"), Stage.ESTIMATION, 5),
    "block and stage exchanged": (KEY, Stage.TRAINING, 1),
    "and back": (KEY, Stage.ESTIMATION, 2),
}


@pytest.fixture(scope="module")
def draws() -> NDArray[np.float64]:
    """4,096,000 draws from 64 blocks."""
    blocks = [standard_normal(KEY, Stage.ESTIMATION, block, BLOCK) for block in range(64)]
    return torch.cat(blocks).flatten().double().numpy()


def test_the_same_address_gives_the_same_noise() -> None:
    assert torch.equal(standard_normal(*ADDRESSES["the address"], BLOCK), standard_normal(KEY, Stage(1), 5, BLOCK))


def test_a_smaller_draw_is_the_beginning_of_a_larger_one() -> None:
    small, large = (standard_normal(KEY, Stage.ESTIMATION, 5, (samples, 500)) for samples in (3, 128))
    assert torch.equal(small, large[:3])


def test_noise_is_float32_of_the_shape_asked_for() -> None:
    noise = standard_normal(KEY, Stage.ESTIMATION, 0, (2, 64, 101))
    assert noise.shape == (2, 64, 101)
    assert noise.dtype == torch.float32


def test_this_address_has_always_given_this_noise() -> None:
    """If this fails, every certificate's seed means other noise than it did: that is a new major version."""
    key = stream_key(1, "golden")
    assert key.hex() == "5a81e2ec02957f442871dec72c16d4d4"
    expected = [
        [-0.030109280720353127, -1.8548600673675537, 1.0497711896896362],
        [0.3001123070716858, 0.5786495208740234, -0.31684133410453796],
        [0.5937833189964294, -1.1678053140640259, -0.2728549540042877],
        [0.31050893664360046, -0.9438052773475647, 1.3397517204284668],
    ]
    assert standard_normal(key, Stage.ESTIMATION, 5, (4, 3)).tolist() == expected


def correlation_at_every_lag(one: Tensor, two: Tensor) -> NDArray[np.float64]:
    """Circular cross-correlation over all lags, each N(0, 1 / draws) for independent noise: draws * result ** 2 is
    chi-squared."""
    a, b = (np.fft.rfft(noise.flatten().double().numpy()) for noise in (one, two))
    correlation: NDArray[np.float64] = np.fft.irfft(a * b.conj(), one.numel()) / one.numel()
    return correlation


@pytest.mark.parametrize(("one", "two"), list(combinations(ADDRESSES, 2)))
def test_different_addresses_are_uncorrelated_at_every_lag(one: str, two: str) -> None:
    """Noise shared at any offset, as overlapping counters would make it, gives a correlation of nearly 1 there."""
    noise = [standard_normal(*ADDRESSES[name], BLOCK) for name in (one, two)]
    draws = noise[0].numel()
    allowed = float(norm.isf(FALSE_ALARM / 2 / draws)) / math.sqrt(draws)
    assert np.abs(correlation_at_every_lag(*noise)).max() < allowed < 0.05


def test_overlapping_noise_is_caught_at_its_lag() -> None:
    noise = standard_normal(KEY, Stage.ESTIMATION, 5, BLOCK).flatten()
    correlation = correlation_at_every_lag(noise, noise.roll(12_345))
    assert int(np.abs(correlation).argmax()) == noise.numel() - 12_345
    assert np.abs(correlation).max() > 0.95


def test_draws_within_a_block_are_uncorrelated() -> None:
    noise = standard_normal(KEY, Stage.ESTIMATION, 5, BLOCK)
    correlation = correlation_at_every_lag(noise, noise)
    draws = noise.numel()
    # A circular autocorrelation is symmetric, each term of it counted twice: twice the variance at most.
    allowed = float(norm.isf(FALSE_ALARM / 2 / draws)) * math.sqrt(2 / draws)
    assert np.abs(correlation[1:]).max() < allowed < 0.05
    assert correlation[0] == pytest.approx(1.0, abs=0.05)


def test_the_moments_are_those_of_a_standard_normal(draws: NDArray[np.float64]) -> None:
    """Each sample moment within ALLOWED of its own standard deviations: 0.0024 for the mean, .0034 for the variance."""
    count = len(draws)
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(np.mean(draws**power) - moment) < ALLOWED * math.sqrt(variance / count)


def test_the_distribution_is_that_of_a_standard_normal(draws: NDArray[np.float64]) -> None:
    assert kstest(draws, "norm").pvalue > FALSE_ALARM


def test_a_standard_deviation_off_by_a_percent_is_caught(draws: NDArray[np.float64]) -> None:
    assert kstest(1.01 * draws, "norm").pvalue < FALSE_ALARM


@pytest.mark.parametrize("sigmas", [0.5, 1.0, 2.0, 3.0, 4.0, 4.5, 5.0])
@pytest.mark.parametrize("side", [-1, 1])
def test_the_tails_hold_as_many_draws_as_they_should(draws: NDArray[np.float64], sigmas: float, side: int) -> None:
    beyond = int(np.sum(side * draws > sigmas))
    share = float(norm.sf(sigmas))
    assert binom.isf(1 - FALSE_ALARM / 2, len(draws), share) <= beyond <= binom.isf(FALSE_ALARM / 2, len(draws), share)


def test_a_block_is_drawn_in_groups_of_their_own_addresses() -> None:
    """So that a block's noise does not depend on who draws which part of it, and a shorter block is its beginning."""
    block = block_normal(KEY, Stage.ESTIMATION, 5, (100, 50))
    groups = [standard_normal(KEY, Stage.ESTIMATION, 5, (32, 50), group=group) for group in range(4)]
    assert torch.equal(block, torch.cat(groups)[:100])
    assert torch.equal(block_normal(KEY, Stage.ESTIMATION, 5, (40, 50)), block[:40])
    assert len({tuple(group[0].tolist()) for group in groups}) == 4


def test_noise_does_not_depend_on_threads() -> None:
    expected = [standard_normal(KEY, Stage.ESTIMATION, block, BLOCK) for block in range(16)]
    threads = torch.get_num_threads()
    try:
        for count in (1, threads + 1):
            torch.set_num_threads(count)
            assert torch.equal(standard_normal(KEY, Stage.ESTIMATION, 3, BLOCK), expected[3])
    finally:
        torch.set_num_threads(threads)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda block: standard_normal(KEY, Stage.ESTIMATION, block, BLOCK), range(16)))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_noise_leaves_the_global_generators_alone() -> None:
    torch_before, numpy_before = torch.random.get_rng_state(), np.random.get_state(legacy=False)
    standard_normal(KEY, Stage.ESTIMATION, 0, BLOCK)
    assert torch.equal(torch.random.get_rng_state(), torch_before)
    np.testing.assert_equal(np.random.get_state(legacy=False), numpy_before)


@pytest.mark.parametrize(
    ("stage", "block", "group"),
    [(Stage.SELECTION, 0, 3), (Stage.ESTIMATION, 78_124, 0), (Stage.ESTIMATION, 0, 2047), (Stage.TRAINING, 2**40, 0)],
)
def test_an_address_owns_2_to_the_64_counter_values(
    monkeypatch: pytest.MonkeyPatch, stage: Stage, block: int, group: int
) -> None:
    """Philox's counter counts up from (0, group, block, stage), least word first: a draw stays in its address as long
    as the lowest word does not overflow, which the largest draw there can be does not bring about."""
    made: list[np.random.Philox] = []
    philox = np.random.Philox

    def keep(**arguments: object) -> np.random.Philox:
        made.append(philox(**arguments))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(np.random, "Philox", keep)
    drawn = standard_normal(KEY, stage, block, BLOCK, group=group).numel()
    counter = [int(word) for word in made[0].state["state"]["counter"]]
    assert counter[1:] == [group, block, int(stage)]
    assert drawn / 16 < counter[0] < drawn  # eight 32-bit words a count, nearly one word a draw
    largest = 65_536 * 60 * 192_000  # the largest block of the longest clip
    assert largest * 16 < 2**64
    assert int.from_bytes(KEY, "little") == sum(int(w) << (64 * i) for i, w in enumerate(made[0].state["state"]["key"]))


def test_stream_keys_keep_their_parts_apart() -> None:
    keys = {stream_key(*parts) for parts in ((1, "23"), (12, "3"), ("1", "2", "3"), (123,), ("", 123), (123, ""))}
    assert len(keys) == 6
    assert {len(key) for key in keys} == {16}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_noise_on_a_gpu_is_addressed_and_standard_normal() -> None:
    one, again, other = (
        standard_normal(KEY, Stage.ESTIMATION, block, (1024, 1000), "cuda").cpu() for block in (5, 5, 6)
    )
    assert torch.equal(one, again)
    assert kstest(one.flatten().double().numpy(), "norm").pvalue > FALSE_ALARM
    draws = one.numel()
    allowed = float(norm.isf(FALSE_ALARM / 2 / draws)) / math.sqrt(draws)
    assert np.abs(correlation_at_every_lag(one, other)).max() < allowed
    assert not torch.equal(one, standard_normal(KEY, Stage.SELECTION, 5, (1024, 1000), "cuda").cpu())
