"""What unanimous votes give, and how many of them a radius takes."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundproof.stats.bounds import error_upper_bound, share_upper_bound, smallest_n
from soundproof.stats.radius import multiclass_radius, radius, radius_ceiling, smallest_n_for

sigmas = st.floats(1e-6, 1e3)
alphas = st.floats(1e-9, 0.5)
unhurried = settings(deadline=None, derandomize=True)


@st.composite
def votes(draw: st.DrawFn, most: int) -> tuple[int, int]:
    n = draw(st.integers(1, most))
    return draw(st.integers(0, n)), n


@unhurried
@given(sigmas, votes(most=10**8), alphas)
def test_the_radius_never_exceeds_the_ceiling(sigma: float, vote: tuple[int, int], alpha: float) -> None:
    k, n = vote
    assert (radius(sigma, error_upper_bound(k, n, alpha)) or 0.0) <= radius_ceiling(sigma, n, alpha)


@unhurried
@given(sigmas, votes(most=10**8), st.floats(0, 1), alphas)
def test_the_multiclass_radius_never_exceeds_its_ceiling(
    sigma: float, vote: tuple[int, int], share: float, alpha: float
) -> None:
    k, n = vote
    runner_up = share_upper_bound(int(share * (n - k)), n, alpha / 2)
    claimed = multiclass_radius(sigma, error_upper_bound(k, n, alpha / 2), runner_up)
    assert (claimed or 0.0) <= radius_ceiling(sigma, n, alpha / 2)


@unhurried
@given(sigmas, st.integers(1, 10**12), alphas)
def test_unanimous_votes_give_exactly_the_ceiling(sigma: float, n: int, alpha: float) -> None:
    q = error_upper_bound(n, n, alpha)
    assert (radius(sigma, q) or 0.0) == (multiclass_radius(sigma, q, q) or 0.0) == radius_ceiling(sigma, n, alpha)
    assert (radius_ceiling(sigma, n, alpha) > 0) == (n >= smallest_n(alpha))


@unhurried
@given(sigmas, st.floats(1e-6, 7.0), alphas)
def test_smallest_n_for_is_the_threshold(sigma: float, reach: float, alpha: float) -> None:
    target = reach * sigma
    n = smallest_n_for(sigma, target, alpha)
    assert radius_ceiling(sigma, n, alpha) >= target
    assert n == 1 or radius_ceiling(sigma, n - 1, alpha) < target


@pytest.mark.parametrize("n", [10, 44, 331, 1221, 10_000])
def test_smallest_n_for_finds_the_n_of_a_ceiling(n: int) -> None:
    assert smallest_n_for(0.5, radius_ceiling(0.5, n, 0.001), 0.001) == n


def test_a_radius_beyond_37_sigma_is_out_of_reach() -> None:
    assert smallest_n_for(1.0, 37.0, 0.001) > 10**299
    with pytest.raises(ValueError, match="out of reach"):
        smallest_n_for(1.0, 37.1, 0.001)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_sigma_or_target_that_is_not_positive_and_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="sigma"):
        radius_ceiling(value, 100, 0.001)
    with pytest.raises(ValueError, match="sigma"):
        smallest_n_for(value, 1.0, 0.001)
    with pytest.raises(ValueError, match="target_radius"):
        smallest_n_for(1.0, value, 0.001)
