"""The sequential gate against a dynamic programme in exact fractions, the reference vectors and simulation."""

import json
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from tests.known_answers import VECTORS

from soundproof.stats.bounds import error_upper_bound
from soundproof.stats.gate import MAX_VOTES, NEVER, Gate, boundaries, gate, null_error, prospects, smallest_votes

ALPHA, N = 0.001, 10_000
SPENDING, LOOKS = (0.25, 0.3, 0.35, 0.4, 0.5, 1.0), (512, 1024, 2048, 4096, 8192, 10_000)
REACHES = (1.0, 2.0, 2.5, 3.0)
unhurried = settings(deadline=None, derandomize=True, max_examples=30)


def exact_crossing(of: Gate, q: Fraction) -> Fraction:
    """The probability that the gate ever certifies, path by path in exact arithmetic."""
    going, certified, reached = {0: Fraction(1)}, Fraction(0), 0
    for look, most in zip(of.looks, of.most_errors, strict=True):
        step, reached = look - reached, look
        after: dict[int, Fraction] = {}
        for errors, probability in going.items():
            for more in range(step + 1):
                chance = comb(step, more) * q**more * (1 - q) ** (step - more)
                after[errors + more] = after.get(errors + more, Fraction(0)) + probability * chance
        certified += sum((p for errors, p in after.items() if errors <= most), Fraction(0))
        going = {errors: p for errors, p in after.items() if errors > most}
    return certified


def crossing(of: Gate, q: float) -> float:
    """The same in floats, for gates too long for fractions; another formula than the code's own."""
    going, certified, reached = np.ones(1), 0.0, 0
    for look, most in zip(of.looks, of.most_errors, strict=True):
        step, reached = look - reached, look
        going = np.convolve(going, binom.pmf(np.arange(step + 1), step, q))
        certified += going[: most + 1].sum()
        going[: most + 1] = 0
    return float(certified)


def test_the_reference_boundaries() -> None:
    assert boundaries(null_error(2.0, 1.0), LOOKS, SPENDING, ALPHA) == (1, 7, 24, 58, 138, 180)


@pytest.mark.skipif(not VECTORS.exists(), reason="../shared is not here")
def test_the_reference_vectors() -> None:
    for case in json.loads(VECTORS.read_text())["gate"]:
        found = boundaries(null_error(case["r"], 1.0), case["looks"], case["spending"], case["alpha"])
        assert list(found) == case["max_errors"]


@pytest.mark.parametrize("reach", REACHES)
def test_a_clip_just_out_of_reach_is_certified_with_probability_alpha_at_most(reach: float) -> None:
    found = gate(null_error(reach, 1.0), N, ALPHA)
    spent = crossing(found, found.null_error)
    assert 0.8 * ALPHA < spent <= ALPHA
    assert prospects(found, found.null_error).certified == pytest.approx(spent, rel=1e-9)
    assert all(crossing(found, found.null_error * worse) < spent for worse in (1.01, 1.2, 2.0))


@unhurried
@given(st.floats(0.02, 0.9), st.integers(5, 40), st.sampled_from([0.001, 0.01, 0.05, 0.3]))
def test_short_gates_keep_alpha_in_exact_arithmetic(q0: float, n: int, alpha: float) -> None:
    if smallest_votes(q0, alpha) > n:
        with pytest.raises(ValueError, match="not enough"):
            gate(q0, n, alpha)
        return
    found = gate(q0, n, alpha)
    assert exact_crossing(found, Fraction(q0)) <= Fraction(alpha)


@unhurried
@given(st.floats(0.01, 0.5), st.lists(st.integers(1, 12), min_size=1, max_size=5), st.floats(0.001, 0.4))
def test_one_more_error_at_any_look_would_spend_too_much(q0: float, steps: list[int], alpha: float) -> None:
    looks = tuple(np.cumsum(steps).tolist())
    spending = tuple(np.linspace(0.3, 1.0, len(looks)).tolist())
    most = boundaries(q0, looks, spending, alpha)
    assert list(most) == sorted(most)
    for k in range(len(looks)):
        spent = exact_crossing(Gate(q0, looks[: k + 1], most[: k + 1]), Fraction(q0))
        assert spent <= Fraction(alpha * spending[k])
        bolder = (*most[:k], most[k] + 1)
        if most[k] + 1 <= looks[k]:
            more = exact_crossing(Gate(q0, looks[: k + 1], bolder), Fraction(q0))
            assert more == spent or more > Fraction(alpha * spending[k]) * Fraction(999_999, 1_000_000)


@pytest.mark.parametrize("reach", REACHES)
def test_the_last_look_asks_for_little_more_than_the_fixed_test(reach: float) -> None:
    q0 = null_error(reach, 1.0)
    fixed = max(errors for errors in range(2_000) if error_upper_bound(N - errors, N, ALPHA) <= q0)
    assert 0.98 * fixed <= gate(q0, N, ALPHA).most_errors[-1] <= fixed


@pytest.mark.parametrize("reach", REACHES)
def test_simulated_power_is_that_of_the_fixed_test_with_fewer_votes(reach: float) -> None:
    """20,000 clips of each kind: standard error below 0.0036. The gate may lose what its last look asks for more."""
    q0 = null_error(reach, 1.0)
    found = gate(q0, N, ALPHA)
    fixed = max(errors for errors in range(2_000) if error_upper_bound(N - errors, N, ALPHA) <= q0)
    generator = np.random.default_rng(round(100 * reach))
    for easier in (0.0, 0.1, 0.5, 0.7):
        certified, votes, clips = 0, 0, 20_000
        errors, going = np.zeros(clips, dtype=np.int64), np.ones(clips, dtype=bool)
        for look, before, most in zip(found.looks, (0, *found.looks), found.most_errors, strict=False):
            votes += (look - before) * int(going.sum())
            errors[going] += generator.binomial(look - before, q0 * easier, int(going.sum()))
            certified += int((going & (errors <= most)).sum())
            going &= (errors > most) & (errors < found.hopeless_errors)
        expected = prospects(found, q0 * easier)
        assert certified / clips == pytest.approx(expected.certified, abs=0.018)  # five standard errors
        assert votes / clips == pytest.approx(expected.mean_votes, rel=0.05)
        assert expected.certified > binom.cdf(fixed, N, q0 * easier) - 0.02
        assert votes / clips < N


def test_easy_questions_take_few_votes() -> None:
    assert gate(null_error(1.0, 1.0), N, ALPHA).looks[0] == 49
    assert gate(null_error(2.0, 1.0), N, ALPHA).looks[0] == 361
    assert prospects(gate(null_error(2.0, 1.0), N, ALPHA), 0.0).mean_votes == pytest.approx(361)


def test_a_gate_with_barely_enough_votes_has_one_look() -> None:
    q0 = null_error(2.0, 1.0)
    n = int(smallest_votes(q0, ALPHA))
    assert gate(q0, n, ALPHA) == Gate(q0, (n,), (0,))
    with pytest.raises(ValueError, match=f"{n - 1} votes without an error are not enough"):
        gate(q0, n - 1, ALPHA)


def test_a_look_too_early_certifies_nothing() -> None:
    assert boundaries(0.02, (10, 1_000), (0.5, 1.0), ALPHA)[0] == NEVER


@pytest.mark.parametrize("alpha", [1e-9, 1e-4, 0.3])
def test_long_gates_keep_alpha(alpha: float) -> None:
    found = gate(null_error(1.5, 1.0), MAX_VOTES, alpha)
    assert prospects(found, found.null_error).certified <= alpha
    assert found.looks[-1] == MAX_VOTES


def test_radii_out_of_any_reach_need_endless_votes() -> None:
    assert null_error(40.0, 1.0) == 0
    assert smallest_votes(0.0, ALPHA) == float("inf")


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_radii_are_refused(bad: float) -> None:
    for radius, sigma in ((bad, 1.0), (1.0, bad)):
        with pytest.raises(ValueError, match="positive and finite"):
            null_error(radius, sigma)


@pytest.mark.parametrize(("q0", "n", "alpha"), [(0.1, 0, 0.1), (0.1, MAX_VOTES + 1, 0.1), (0, 9, 0.1), (0.1, 99, 1.0)])
def test_impossible_gates_are_refused(q0: float, n: int, alpha: float) -> None:
    with pytest.raises(ValueError, match=r"votes|strictly"):
        gate(q0, n, alpha)
