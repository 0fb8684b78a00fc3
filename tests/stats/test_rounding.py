"""Directed rounding, against fractions."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundproof.stats.radius import format_down, format_up, round_down, round_up

finite = st.floats(-1e300, 1e300)
digits = st.integers(1, 17)
unhurried = settings(deadline=None, derandomize=True)


@unhurried
@given(finite)
def test_rounding_goes_its_way_and_not_far(x: float) -> None:
    margin = abs(Fraction(x)) / 2**39 + Fraction(5e-324)
    assert Fraction(x) - margin <= Fraction(round_down(x)) < Fraction(x) < Fraction(round_up(x)) <= Fraction(x) + margin


@unhurried
@given(finite, finite)
def test_rounding_keeps_the_order(x: float, y: float) -> None:
    low, high = sorted((x, y))
    assert round_down(low) <= round_down(high)
    assert round_up(low) <= round_up(high)


@unhurried
@given(finite, digits)
def test_printing_never_rounds_the_wrong_way(value: float, many: int) -> None:
    down, up = Fraction(format_down(value, many)), Fraction(format_up(value, many))
    assert down <= Fraction(value) <= up
    if value != 0:
        unit = Fraction(10) ** (math.floor(math.log10(abs(value))) - many + 1)
        assert up - down <= 2 * unit


@unhurried
@given(finite, digits)
def test_printing_keeps_to_the_digits_asked_for(value: float, many: int) -> None:
    for text in (format_down(value, many), format_up(value, many)):
        assert len(text.replace("-", "").replace(".", "").strip("0")) <= many


@pytest.mark.parametrize(
    ("value", "many", "down", "up"),
    [
        (0.0079964, 1, "0.007", "0.008"),
        (0.0079964, 3, "0.00799", "0.008"),
        (83.9832620545311, 4, "83.98", "83.99"),
        (99.9, 12, "99.9", "99.9000000001"),  # the float is a little above 99.9
        (9.996, 3, "9.99", "10"),
        (12_649_110.6, 3, "12600000", "12700000"),
        (-1.25, 2, "-1.3", "-1.2"),
        (0.5, 6, "0.5", "0.5"),
        (0.0, 3, "0", "0"),
        (-0.0, 3, "0", "0"),
    ],
)
def test_printed_examples(value: float, many: int, down: str, up: str) -> None:
    assert format_down(value, many) == down
    assert format_up(value, many) == up


@pytest.mark.parametrize(("value", "many"), [(math.nan, 3), (math.inf, 3), (-math.inf, 3), (1.0, 0)])
def test_what_cannot_be_printed_is_refused(value: float, many: int) -> None:
    with pytest.raises(ValueError, match=r"finite|digits"):
        format_down(value, many)
    with pytest.raises(ValueError, match=r"finite|digits"):
        format_up(value, many)
