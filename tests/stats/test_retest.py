"""Testing a claim again, against scipy's distributions and by simulation."""

import numpy as np
import pytest
from scipy.stats import binom, hypergeom

from soundproof.stats.retest import (
    DIFFERS_BELOW,
    REFUTES_BELOW,
    chance_of_difference,
    chance_of_so_few,
    surely_refuted_below,
)


@pytest.mark.parametrize(
    ("count", "n", "least"), [(990, 1000, 0.999), (0, 10, 0.3), (500, 1000, 0.5), (99_900, 100_000, 0.9995)]
)
def test_the_chance_of_so_few_is_the_binomial_tail(count: int, n: int, least: float) -> None:
    assert chance_of_so_few(count, n, least) == pytest.approx(binom.cdf(count, n, least), rel=1e-9)


def test_all_votes_refute_nothing() -> None:
    assert chance_of_so_few(10, 10, 1.0) == 1.0
    assert chance_of_so_few(9, 10, 1.0) == 0.0
    assert chance_of_so_few(0, 10, 0.0) == 1.0


@pytest.mark.parametrize(("n", "least"), [(1000, 0.999), (1000, 0.5), (100, 0.9)])
def test_what_is_surely_refuted_is_refuted_with_99_percent(n: int, least: float) -> None:
    caught = surely_refuted_below(n, least)
    assert caught is not None
    refuting = max(k for k in range(n) if binom.cdf(k, n, least) < REFUTES_BELOW)
    assert binom.cdf(refuting, n, caught) == pytest.approx(0.99, abs=1e-6)
    assert caught < least


def test_few_votes_refute_nothing() -> None:
    assert surely_refuted_below(10, 0.5) is None


@pytest.mark.parametrize(
    ("one", "of_one", "other", "of_other"),
    [(10_000, 10_000, 9_970, 10_000), (5_000, 10_000, 5_100, 10_000), (361, 361, 300, 470), (0, 10, 10, 10)],
)
def test_the_chance_of_a_difference_is_fishers(one: int, of_one: int, other: int, of_other: int) -> None:
    law = hypergeom(of_one + of_other, one + other, of_one)
    tails = law.cdf(one), law.sf(one - 1)
    assert chance_of_difference(one, of_one, other, of_other) == pytest.approx(min(1.0, 2 * min(tails)), rel=1e-6)
    assert chance_of_difference(other, of_other, one, of_one) == pytest.approx(
        chance_of_difference(one, of_one, other, of_other), rel=1e-6
    )


def test_equal_counts_never_differ() -> None:
    assert chance_of_difference(0, 5, 0, 7) == 1.0
    assert chance_of_difference(10**7, 10**7, 10**7, 10**7) == 1.0
    assert chance_of_difference(5_000_000, 10**7, 5_010_000, 10**7) > DIFFERS_BELOW


def test_a_true_claim_is_refuted_as_rarely_as_is_said() -> None:
    """10^5 draws; under the claim 10 refutations are expected at most, and 30 would have probability below 1e-6."""
    counts = np.random.default_rng(5).binomial(1000, 0.99, 100_000)
    chances = {int(count): chance_of_so_few(int(count), 1000, 0.99) for count in np.unique(counts)}
    assert sum(chances[int(count)] < REFUTES_BELOW for count in counts) < 30


@pytest.mark.parametrize("wrong", [(11, 10, 0.5), (-1, 10, 0.5), (1, 0, 0.5), (1, 10, 1.5), (1, 10, float("nan"))])
def test_impossible_votes_are_refused(wrong: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match="impossible"):
        chance_of_so_few(*wrong)
