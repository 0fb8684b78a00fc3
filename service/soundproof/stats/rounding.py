"""Directed rounding, of floats and of what is printed: what is claimed may only ever err on the safe side."""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

# Relative. Far above what scipy's normal quantile and a few float operations err (1e-15), above what the binomial tail
# of bounds.py errs up to MAX_VOTES (4e-13), and far below what anyone reads (1e-9).
_MARGIN = 2.0**-40


def round_down(x: float) -> float:
    """A float below `x`, by a relative 2**-40 and at least one unit in the last place; the unit of `x` is kept.

    Meant for computed values: the true value that `x` approximates is above the result. Zero goes below zero.

    >>> round_down(1.0) < 1.0, round(round_down(1.0), 9)
    (True, 1.0)
    """
    return math.nextafter(x - abs(x) * _MARGIN, -math.inf)


def round_up(x: float) -> float:
    """A float above `x`, by a relative 2**-40 and at least one unit in the last place; the unit of `x` is kept.

    >>> round_up(-1.0) > -1.0, round(round_up(-1.0), 9)
    (True, -1.0)
    """
    return -round_down(-x)


def format_down(value: float, digits: int) -> str:
    """`value` for people, cut to at most `digits` significant decimal digits, never above the float's exact value.

    Plain notation, no trailing zeros. Raises ValueError if `value` is not finite or `digits` < 1.

    >>> format_down(0.00799644378684583, 3), format_down(0.5, 3)
    ('0.00799', '0.5')
    """
    return _format(value, digits, ROUND_FLOOR)


def format_up(value: float, digits: int) -> str:
    """`value` for people, with at most `digits` significant decimal digits, never below the float's exact value.

    Plain notation, no trailing zeros. Raises ValueError if `value` is not finite or `digits` < 1.

    >>> format_up(83.9832620545311, 4)
    '83.99'
    """
    return _format(value, digits, ROUND_CEILING)


def _format(value: float, digits: int, rounding: str) -> str:
    if not math.isfinite(value):
        raise ValueError(f"only a finite number can be printed with a direction, not {value}")
    if digits < 1:
        raise ValueError(f"digits is {digits}; it must be at least 1")
    # Decimal(float) is exact, so this is the only rounding there is. Adding 0.0 turns -0.0 into 0.0.
    rounded = Context(prec=digits, rounding=rounding).plus(Decimal(value + 0.0))
    return f"{rounded.normalize(Context(prec=digits)):f}"


def confidence_percent(alpha: float) -> str:
    """1 - alpha in per cent, rounded down, in decimal from alpha as it is written: in binary, 100 * (1 - 0.002) is
    below 99.8.

    >>> confidence_percent(0.001)
    '99.9'
    """
    return f"{Context(prec=12, rounding=ROUND_FLOOR).plus(100 - 100 * Decimal(repr(alpha))).normalize():f}"
