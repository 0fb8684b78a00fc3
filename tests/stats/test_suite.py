"""Claims over many clips, against scipy and against simulated suites."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from soundproof.stats.suite import all_at_once, allowance, holm, largest_alpha, mcnemar, most_false, upper_tail

CLIPS = st.integers(1, 3_000)
ALPHAS = st.floats(1e-9, 0.5)


@given(CLIPS, ALPHAS, st.integers(0, 3_000))
def test_the_binomial_tail_is_scipys(clips: int, alpha: float, count: int) -> None:
    assert upper_tail(count, clips, alpha) == pytest.approx(float(binom.sf(count, clips, alpha)), rel=1e-8, abs=1e-290)


@given(CLIPS, ALPHAS, st.floats(1e-6, 0.999))
def test_the_most_false_certificates_are_scipys_inverse(clips: int, alpha: float, rho: float) -> None:
    found = most_false(clips, alpha, rho)
    assert upper_tail(found, clips, alpha) <= rho
    assert found == 0 or upper_tail(found - 1, clips, alpha) > rho
    ours, theirs = found, int(binom.isf(rho, clips, alpha))
    # At a tie one rounding decides which of two neighbours it is.
    assert ours == max(theirs, 0) or math.isclose(upper_tail(min(ours, theirs), clips, alpha), rho, rel_tol=1e-8)


def test_no_confidence_subtracts_nothing() -> None:
    assert most_false(10_000, 0.001, 1.0) == 0
    assert most_false(0, 0.001, 0.05) == 0


def test_a_million_clips_take_no_time_and_keep_their_digits() -> None:
    assert upper_tail(1_100, 1_000_000, 0.001) == pytest.approx(float(binom.sf(1_100, 1_000_000, 0.001)), rel=1e-7)
    assert upper_tail(900, 1_000_000, 0.001) == pytest.approx(float(binom.sf(900, 1_000_000, 0.001)), rel=1e-7)


def test_copies_of_a_sound_are_false_together() -> None:
    assert allowance([1] * 100, 0.001, 0.05) == most_false(100, 0.001, 0.05)
    assert allowance([7, 1, 3], 0.5, 0.2) == 10  # at most 2 of 3 sounds: those with 7 and 3 copies
    assert allowance([], 0.001, 0.05) == 0


def test_the_claim_holds_as_often_as_it_says_with_copies_too() -> None:
    """20,000 suites whose certificates are false as often as they may be: more than the allowance in at most 5 %. The
    spread of such a share is 0.15 points; a false alarm above 5.8 % has probability below 1e-6."""
    generator = np.random.default_rng(1)
    copies = np.array([1] * 60 + [2] * 10 + [5] * 2)
    false = generator.random((20_000, len(copies))) < 0.02
    assert float((false @ copies > allowance(copies.tolist(), 0.02, 0.05)).mean()) <= 0.058


@given(st.integers(1, 2_000), st.integers(0, 5), st.floats(0.001, 0.5))
def test_the_alpha_that_is_suggested_does(clips: int, most: int, rho: float) -> None:
    alpha = largest_alpha(clips, most, rho)
    assert most_false(clips, alpha, rho) <= most
    if most < clips:
        assert most_false(clips, min(1.0, 1.2 * alpha), rho) > most


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_the_exact_binomial_test(lost: int, won: int) -> None:
    expected = binomtest(lost, lost + won, 0.5, "greater").pvalue if lost + won else 1.0
    assert mcnemar(lost, won) == pytest.approx(expected, rel=1e-9)


def test_holm_is_the_published_example() -> None:
    # Holm's adjustment by hand: sorted .005, .01, .03, .04 times 4, 3, 2, 1, then made to rise.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_all_at_once_is_the_sum_and_at_most_one() -> None:
    assert all_at_once(999, 0.001) == 0.999
    assert all_at_once(2_000, 0.001) == 1.0


@pytest.mark.parametrize("call", [lambda: upper_tail(1, -1, 0.5), lambda: upper_tail(1, 1, 1.5)])
def test_impossible_counts_are_refused(call: object) -> None:
    with pytest.raises(ValueError, match="n is"):
        call()  # type: ignore[operator]


def test_impossible_confidences_and_changes_are_refused() -> None:
    with pytest.raises(ValueError, match="rho"):
        most_false(10, 0.1, 0.0)
    with pytest.raises(ValueError, match="impossible"):
        mcnemar(-1, 0)
