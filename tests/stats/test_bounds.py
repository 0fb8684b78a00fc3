"""The binomial bounds against exact arithmetic (fractions, or decimals of 60 digits) and the reference vectors."""

import json
from decimal import Decimal, localcontext
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betainccinv
from scipy.stats import beta
from tests.known_answers import VECTORS

from soundproof.stats.bounds import MAX_VOTES, error_upper_bound, share_upper_bound, smallest_n

# n, k, alpha, lower bound of p; from the vectors, to have them without ../shared.
P_LOWER = [
    (10_000, 10_000, 0.001, 0.9993094630025899),
    (10_000, 9_999, 0.001, 0.9990770386693395),
    (10_000, 9_900, 0.001, 0.9865311593238062),
    (10_000, 6_000, 0.001, 0.5847476703522463),
    (10_000, 5_155, 0.001, 0.4999999394074719),
    (1_000, 1_000, 0.001, 0.9931160484209338),
    (10, 10, 0.001, 0.5011872336272722),
    (9, 9, 0.001, 0.46415888336127786),
    (100_000, 99_900, 0.001, 0.998650992446753),
    (10_000_000, 10_000_000, 0.001, 0.9999993092247107),
]

alphas = st.floats(1e-12, 0.999)
unhurried = settings(deadline=None, derandomize=True)


@st.composite
def votes(draw: st.DrawFn, most: int) -> tuple[int, int]:
    n = draw(st.integers(1, most))
    return draw(st.integers(0, n)), n


def exact_tail(count: int, n: int, q: Fraction) -> Fraction:
    """P[Bin(n, q) <= count]"""
    return sum((comb(n, j) * q**j * (1 - q) ** (n - j) for j in range(count + 1)), Fraction(0))


def precise_tail(count: int, n: int, q: float) -> Decimal:
    """P[Bin(n, q) <= count] to about 50 digits, for n far too large for fractions."""
    with localcontext(prec=60, Emin=-(10**9)):
        share = Decimal(q)
        odds = share / (1 - share)
        total = term = (n * (1 - share).ln()).exp()
        for j in range(count):
            term *= odds * (n - j) / (j + 1)
            total += term
        return total


@pytest.mark.parametrize(("n", "k", "alpha", "p_lower"), P_LOWER)
def test_known_lower_bounds(n: int, k: int, alpha: float, p_lower: float) -> None:
    assert 1 - error_upper_bound(k, n, alpha) == pytest.approx(p_lower, abs=1e-9)


def test_every_lower_bound_of_the_reference_vectors() -> None:
    if not VECTORS.exists():
        pytest.skip(f"no reference vectors at {VECTORS}")
    entries = [e for e in json.loads(VECTORS.read_text())["fixed_budget"] if e["p_lower"] is not None]
    assert entries
    for e in entries:
        assert 1 - error_upper_bound(e["k"], e["n"], e["alpha"]) == pytest.approx(e["p_lower"], abs=1e-9)


@unhurried
@given(votes(most=60), alphas)
def test_the_bound_satisfies_its_definition_in_exact_arithmetic(vote: tuple[int, int], alpha: float) -> None:
    k, n = vote
    q = Fraction(error_upper_bound(k, n, alpha))
    if q < 1:
        assert exact_tail(n - k, n, q) <= Fraction(alpha)
    if k > 0:
        assert exact_tail(n - k, n, q * (1 - Fraction(1, 2**38))) > Fraction(alpha), "a tighter bound was possible"


@pytest.mark.parametrize(
    ("count", "n", "alpha"),
    [
        (1, 10_000, 1e-3),
        (100, 10_000, 1e-3),
        (4_844, 10_000, 1e-3),
        (100, 100_000, 1e-9),
        (999, 17_015_542, 5.747626904625082e-09),
        (1, MAX_VOTES, 1e-3),
        (4, 90_607_024, 0.15385413077247767),
    ],
)
def test_the_bound_satisfies_its_definition_for_many_votes(count: int, n: int, alpha: float) -> None:
    q = share_upper_bound(count, n, alpha)
    assert precise_tail(count, n, q) <= Decimal(alpha) < precise_tail(count, n, q * (1 - 2.0**-38))


def test_scipys_inverse_is_not_good_enough() -> None:
    """Why the bound is found by bisection. Should this fail one day, scipy's inverse may do; see bounds.py."""
    count, n, alpha = 999, 17_015_542, 5.747626904625082e-09
    assert precise_tail(count, n, float(betainccinv(count + 1, n - count, alpha))) > Decimal(alpha)


@unhurried
@given(votes(most=100_000), st.floats(1e-6, 0.5))
def test_agrees_with_scipys_beta_quantile(vote: tuple[int, int], alpha: float) -> None:
    k, n = vote
    expected = 1.0 if k == 0 else beta.isf(alpha, n - k + 1, k)
    assert error_upper_bound(k, n, alpha) == pytest.approx(expected, rel=1e-9)


@unhurried
@given(votes(most=MAX_VOTES), alphas)
def test_more_votes_for_the_class_lower_its_error(vote: tuple[int, int], alpha: float) -> None:
    k, n = vote
    q = error_upper_bound(k, n, alpha)
    assert 0 < q <= 1
    if k < n:
        assert error_upper_bound(k + 1, n, alpha) <= q


@unhurried
@given(votes(most=1_000_000), alphas)
def test_the_share_of_a_class_is_bounded_like_an_error(vote: tuple[int, int], alpha: float) -> None:
    count, n = vote
    assert share_upper_bound(count, n, alpha) == error_upper_bound(n - count, n, alpha)
    assert count / n < share_upper_bound(count, n, alpha) or alpha > 0.3 or count == n


def test_no_votes_bound_nothing() -> None:
    assert error_upper_bound(0, 100, 0.001) == 1
    assert share_upper_bound(100, 100, 0.001) == 1


@unhurried
@given(st.one_of(alphas, st.integers(1, 60).map(lambda e: 0.5**e), st.floats(1e-300, 1e-12)))
def test_smallest_n_is_the_threshold_of_unanimous_votes(alpha: float) -> None:
    n = smallest_n(alpha)
    assert error_upper_bound(n, n, alpha) < 0.5
    assert n == 1 or error_upper_bound(n - 1, n - 1, alpha) >= 0.5
    assert Fraction(alpha) > Fraction(1, 2**n), "unanimous votes do not certify, in exact arithmetic"


@pytest.mark.parametrize(("alpha", "n"), [(0.001, 10), (0.05, 5), (1e-5, 17), (0.5, 2), (0.6, 1), (2.0**-10, 11)])
def test_known_smallest_n(alpha: float, n: int) -> None:
    assert smallest_n(alpha) == n


@pytest.mark.parametrize(
    ("count", "n", "alpha"),
    [(-1, 10, 0.1), (11, 10, 0.1), (0, 0, 0.1), (5, 10, 0.0), (5, 10, 1.0), (5, 10, float("nan")), (5, 10, -0.1)],
)
def test_impossible_arguments_are_refused(count: int, n: int, alpha: float) -> None:
    with pytest.raises(ValueError, match=r"votes is impossible|must"):
        error_upper_bound(count, n, alpha)
    with pytest.raises(ValueError, match=r"votes is impossible|must"):
        share_upper_bound(count, n, alpha)


@pytest.mark.parametrize("alpha", [0.0, 1.0, float("nan")])
def test_smallest_n_refuses_an_alpha_outside_its_range(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        smallest_n(alpha)


def test_more_votes_than_the_tail_is_exact_for_are_refused() -> None:
    with pytest.raises(ValueError, match="unanimous"):
        error_upper_bound(MAX_VOTES, MAX_VOTES + 1, 0.001)
    assert error_upper_bound(10**15, 10**15, 0.001) == pytest.approx(6.907755278982e-15)
