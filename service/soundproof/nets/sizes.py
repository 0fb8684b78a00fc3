"""Arithmetic on the sizes of a .pt2 program: numbers in, a number out, and none that grows without bound."""

import operator
from collections.abc import Callable
from functools import partial

Number = int | float | bool

MOST = 1 << 63


def _bounded(function: Callable[..., Number], *numbers: Number) -> Number:
    """ValueError for what is no number (a list times a number is a long list), or one that no size can be."""
    for number in numbers:
        _hold(number)
    result = function(*numbers)
    _hold(result)
    return result


def _hold(number: Number) -> None:
    if type(number) not in (int, float, bool) or not abs(number) < MOST:
        raise ValueError("a size is not a number, or larger than any tensor's")


# No power: its result can be larger than any memory.
SIZES: dict[str, Callable[..., Number]] = {
    f"_operator.{function.__name__}": partial(_bounded, function)
    for function in (
        operator.add,
        operator.eq,
        operator.floordiv,
        operator.ge,
        operator.gt,
        operator.le,
        operator.lt,
        operator.mod,
        operator.mul,
        operator.ne,
        operator.neg,
        operator.sub,
        operator.truediv,
    )
}
