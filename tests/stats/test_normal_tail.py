"""The tail in 60 digits: mpmath's digits, scipy's floats, and what it refuses."""

from decimal import Decimal

import numpy as np
import pytest
from scipy.special import ndtr

from soundproof.stats.normal_tail import upper_tail

# mpmath 1.3, 60 digits: erfc(t / sqrt 2) / 2.
DIGITS = {
    "0.5": "0.308537538725986896362295389391662260116397824445422063179224",
    "1": "0.158655253931457051414767454367962077522087033273395609012606",
    "4.25": "0.0000106885257749344204692005578127212290098801756299483412660191",
    "9": "0.000000000000000000112858840595384064773550207596874725798004190081816494888735",
}


@pytest.mark.parametrize("t", DIGITS)
def test_the_tail_is_known_to_fifty_digits(t: str) -> None:
    assert abs(upper_tail(Decimal(t)) - Decimal(DIGITS[t])) < Decimal("1e-50")


def test_half_of_the_normal_lies_above_zero() -> None:
    assert upper_tail(Decimal(0)) == Decimal("0.5")


@pytest.mark.parametrize("t", [*np.linspace(0, 10, 41), 1e-12])
def test_the_tail_is_scipys_as_far_as_that_goes(t: float) -> None:
    assert float(upper_tail(Decimal(t))) == pytest.approx(float(ndtr(-t)), rel=1e-13)


@pytest.mark.parametrize("t", ["-0.1", "10.5", "NaN"])
def test_a_place_it_was_not_made_for_is_refused(t: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        upper_tail(Decimal(t))
