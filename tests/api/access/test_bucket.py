"""A budget: never more than it holds, filled evenly, and honest about when to come back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundproof.api.access.bucket import Bucket
from soundproof.api_keys import Budget
from soundproof.errors import BudgetExhausted, BudgetTooSmall


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1e6

    def __call__(self) -> float:
        return self.now_s


def bucket(cost: float, refill_s: float) -> tuple[Bucket, Clock]:
    clock = Clock()
    return Bucket(Budget(cost=cost, refill_s=refill_s), clock), clock


def test_it_is_full_at_first_and_holds_no_more() -> None:
    full, clock = bucket(100, 10)
    clock.now_s += 1000
    assert full.left == 100
    full.take(100)
    assert full.left == 0
    with pytest.raises(BudgetExhausted):
        full.take(1)


def test_what_is_refused_takes_nothing() -> None:
    some, _ = bucket(100, 10)
    some.take(60)
    with pytest.raises(BudgetExhausted, match=r"costs 50 .* has 40 left of 100"):
        some.take(50)
    assert some.left == 40
    some.take(40)


def test_what_it_never_holds_is_no_matter_of_waiting() -> None:
    with pytest.raises(BudgetTooSmall, match=r"costs 101 .* is 100"):
        bucket(100, 10)[0].take(101)


def test_it_is_filled_evenly() -> None:
    empty, clock = bucket(100, 10)
    empty.take(100)
    clock.now_s += 2.5
    assert empty.left == pytest.approx(25)
    clock.now_s += 100
    assert empty.left == 100


def test_what_is_given_back_never_makes_it_more_than_full() -> None:
    some, _ = bucket(100, 10)
    some.take(30)
    some.give_back(10)
    assert some.left == 80
    some.give_back(1000)
    assert some.left == 100


@given(
    cost=st.floats(1, 1e15),
    refill_s=st.floats(1, 1e6),
    taken=st.floats(0, 1),
    asked=st.floats(0, 1),
)
def test_after_the_seconds_that_were_told_it_holds_what_was_asked_and_not_long_before(
    cost: float, refill_s: float, taken: float, asked: float
) -> None:
    some, clock = bucket(cost, refill_s)
    some.take(taken * cost)
    try:
        some.take(asked * cost)
    except BudgetExhausted as error:
        clock.now_s += error.retry_after_s - 1.001
        if error.retry_after_s > 1:
            with pytest.raises(BudgetExhausted):
                some.check(asked * cost)
        clock.now_s += 1.001
        some.take(asked * cost)


def test_another_budget_misses_as_much() -> None:
    some, clock = bucket(100, 10)
    some.take(70)
    larger = some.replaced(Budget(cost=1000, refill_s=10))
    assert larger.left == pytest.approx(930)
    smaller = some.replaced(Budget(cost=50, refill_s=10))
    assert smaller.left == 0
    clock.now_s += 5
    assert smaller.left == pytest.approx(25)
