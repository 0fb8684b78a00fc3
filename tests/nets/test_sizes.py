"""Arithmetic on sizes is Python's, as far as a size can be."""

import operator
from functools import reduce

import pytest

from soundproof.nets.sizes import MOST, SIZES


def test_it_is_pythons() -> None:
    for name, function in SIZES.items():
        plain = getattr(operator, name.removeprefix("_operator."))
        numbers = (7,) if name == "_operator.neg" else (7, 2)
        assert function(*numbers) == plain(*numbers)


@pytest.mark.parametrize("no_size", [[1] * 8, "a", (1,), None, MOST, -MOST, float("inf"), float("nan"), 1j])
def test_what_is_no_size_is_refused(no_size: object) -> None:
    with pytest.raises(ValueError, match="a size is not a number, or larger"):
        SIZES["_operator.mul"](no_size, 2)
    with pytest.raises(ValueError, match="a size is not a number, or larger"):
        SIZES["_operator.mul"](2, no_size)


def test_squaring_ends() -> None:
    with pytest.raises(ValueError, match="larger"):
        reduce(lambda number, _: int(SIZES["_operator.mul"](number, number)), range(60), 7)
