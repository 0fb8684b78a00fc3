"""Radii against the reference vectors and a normal CDF in decimals of 60 digits."""

import json
import math
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.known_answers import FIXED_BUDGET, HUGE_BUDGET, MULTICLASS, VECTORS

from soundproof.stats.bounds import error_upper_bound, share_upper_bound
from soundproof.stats.radius import multiclass_radius, radius

PI = Decimal("3.1415926535897932384626433832795028841971693993751058209749445923")

sigmas = st.floats(1e-6, 1e3)
alphas = st.floats(1e-9, 0.5)
uppers = st.floats(1e-30, 0.5, exclude_max=True)
unhurried = settings(deadline=None, derandomize=True)


@st.composite
def votes(draw: st.DrawFn, most: int) -> tuple[int, int]:
    n = draw(st.integers(1, most))
    return draw(st.integers(0, n)), n


def upper_normal_tail(x: Decimal) -> Decimal:
    """P[N(0, 1) > x] for 0 <= x < 12, to 28 digits or more: 1/2 - phi(x) * sum of x^(2i+1) / (1 * 3 * ... * (2i+1))."""
    with localcontext(prec=60):
        total = term = x
        i = 1
        while term > Decimal(10) ** -90:
            term *= x * x / (2 * i + 1)
            total += term
            i += 1
        return Decimal("0.5") - total * (-x * x / 2).exp() / (2 * PI).sqrt()


def exact_quantile(q: Decimal) -> Decimal:
    """The x with P[N(0, 1) > x] = q, by Newton steps from 0: the tail is convex, so they never overshoot."""
    with localcontext(prec=60):
        if q > Decimal("0.5"):
            return -exact_quantile(1 - q)
        x = Decimal(0)
        for _ in range(200):
            step = (upper_normal_tail(x) - q) * (2 * PI).sqrt() * (x * x / 2).exp()
            x += step
            if abs(step) < Decimal(10) ** -25:
                break
        return x


def bound_multiclass(n: int, top: int, runner_up: int, alpha: float) -> float | None:
    return multiclass_radius(1.0, error_upper_bound(top, n, alpha / 2), share_upper_bound(runner_up, n, alpha / 2))


def agree(actual: float | None, expected: float | None) -> bool:
    if actual is None or expected is None:
        return actual is expected
    return actual == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("n", "k", "alpha", "expected"), [*FIXED_BUDGET, HUGE_BUDGET])
def test_known_radii(n: int, k: int, alpha: float, expected: float | None) -> None:
    assert agree(radius(1.0, error_upper_bound(k, n, alpha)), expected)


@pytest.mark.parametrize(("n", "top", "runner_up", "alpha", "expected"), MULTICLASS)
def test_known_multiclass_radii(n: int, top: int, runner_up: int, alpha: float, expected: float | None) -> None:
    assert agree(bound_multiclass(n, top, runner_up, alpha), expected)


def test_every_radius_of_the_reference_vectors() -> None:
    if not VECTORS.exists():
        pytest.skip(f"no reference vectors at {VECTORS}")
    vectors = json.loads(VECTORS.read_text())
    assert vectors["fixed_budget"]
    assert vectors["multiclass"]
    for e in vectors["fixed_budget"]:
        assert agree(radius(1.0, error_upper_bound(e["k"], e["n"], e["alpha"])), e["radius_over_sigma"]), e
    for e in vectors["multiclass"]:
        assert agree(bound_multiclass(e["n"], e["n_a"], e["n_b"], e["alpha"]), e["radius_over_sigma"]), e


@unhurried
@given(sigmas, uppers)
def test_the_radius_is_never_above_the_exact_one(sigma: float, upper: float) -> None:
    claimed = radius(sigma, upper)
    if claimed is None:
        assert upper > 0.5 - 1e-11
    else:
        with localcontext(prec=60):
            assert upper_normal_tail(Decimal(claimed) / Decimal(sigma)) >= Decimal(upper)


@unhurried
@given(sigmas, st.one_of(uppers, st.floats(0.5, 0.999999)), st.floats(1e-30, 1.0))
def test_the_multiclass_radius_is_just_below_the_exact_one(sigma: float, upper: float, runner_up: float) -> None:
    claimed = multiclass_radius(sigma, upper, runner_up)
    with localcontext(prec=60):
        top, second = exact_quantile(Decimal(upper)), exact_quantile(Decimal(min(upper, runner_up)))
        exact = Decimal(sigma) * (top + second) / 2
        slack = Decimal(sigma) * (abs(top) + abs(second)) * Decimal("1e-11") + Decimal("1e-300")
        if claimed is None:
            assert exact < slack
        else:
            assert exact - slack < Decimal(claimed) < exact


@pytest.mark.parametrize("upper", [0.51, 0.7, 0.9, 0.99])
def test_the_multiclass_radius_is_not_overstated_where_the_quantiles_cancel(upper: float) -> None:
    for steps in range(1, 2000):
        runner_up = 1 - upper - steps * 1e-14
        claimed = multiclass_radius(1.0, upper, runner_up)
        if claimed is not None:
            with localcontext(prec=60):
                exact = (exact_quantile(Decimal(upper)) + exact_quantile(Decimal(runner_up))) / 2
                assert Decimal(claimed) < exact
            break
    else:
        pytest.fail("no radius however far apart the bounds are")


@unhurried
@given(sigmas, votes(most=10**8), alphas)
def test_more_votes_for_the_class_never_shrink_the_radius(sigma: float, vote: tuple[int, int], alpha: float) -> None:
    k, n = vote
    fewer, more = (radius(sigma, error_upper_bound(each, n, alpha)) or 0.0 for each in (k, min(k + 1, n)))
    assert fewer <= more


def test_the_radius_grows_with_every_single_vote() -> None:
    radii = [radius(0.1, error_upper_bound(k, 1000, 0.001)) or 0.0 for k in range(1001)]
    assert radii == sorted(radii)
    assert len({r for r in radii if r > 0}) == sum(r > 0 for r in radii)


@unhurried
@given(uppers, st.floats(1e-30, 1.0))
def test_a_known_runner_up_never_shrinks_the_radius(upper: float, runner_up: float) -> None:
    assert (multiclass_radius(1.0, upper, runner_up) or 0.0) >= (radius(1.0, upper) or 0.0)


@pytest.mark.parametrize("upper", [0.5, 0.7, 1.0])
def test_an_error_of_one_half_or_more_abstains(upper: float) -> None:
    assert radius(1.0, upper) is None
    assert multiclass_radius(1.0, upper, 1.0) is None


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf])
def test_a_sigma_that_is_not_positive_and_finite_is_refused(sigma: float) -> None:
    with pytest.raises(ValueError, match="sigma"):
        radius(sigma, 0.1)
    with pytest.raises(ValueError, match="sigma"):
        multiclass_radius(sigma, 0.1, 0.1)


@pytest.mark.parametrize("upper", [0.0, -0.1, 1.1, math.nan])
def test_a_bound_that_is_no_probability_is_refused(upper: float) -> None:
    with pytest.raises(ValueError, match="upper bound"):
        radius(1.0, upper)
    with pytest.raises(ValueError, match="upper bound"):
        multiclass_radius(1.0, 0.1, upper)
