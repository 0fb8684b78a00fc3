"""What gives way for what, within the budget of one worker."""

import pytest
from tests.engine.simulated import source

from soundproof.engine.shelf import Shelf

A, B, C = source("a", 40), source("b", 40), source("c", 40)
HUGE = source("huge", 1000)


def shelf(*held: str, budget: int = 100) -> Shelf:
    full = Shelf(budget)
    for name in held:
        each = {"a": A, "b": B, "c": C, "huge": HUGE}[name]
        full.load(each)
        full.loaded(each.digest)
    return full


def test_where_there_is_room_nothing_gives_way() -> None:
    assert shelf("a").way_for(B, set()) == ()


def test_the_least_recently_used_gives_way() -> None:
    full = shelf("a", "b")
    assert full.way_for(C, set()) == (A.digest,)
    full.use(A.digest)
    assert full.way_for(C, set()) == (B.digest,)


def test_what_is_needed_stays_though_it_was_used_longest_ago() -> None:
    assert shelf("a", "b").way_for(C, {A.digest}) == (B.digest,)
    assert shelf("a", "b").way_for(C, {A.digest, B.digest}) is None


def test_no_more_gives_way_than_has_to() -> None:
    assert shelf("a", "b").way_for(source("small", 20), set()) == ()
    assert shelf("a", "b").way_for(source("small", 21), set()) == (A.digest,)


@pytest.mark.parametrize(("held", "way"), [(("a", "b"), (A.digest, B.digest)), ((), ())])
def test_a_model_larger_than_the_budget_is_let_in_alone(held: tuple[str, ...], way: tuple[str, ...]) -> None:
    assert shelf(*held).way_for(HUGE, set()) == way
    assert shelf(*held).way_for(HUGE, {"of a model that is held elsewhere"}) == way


def test_a_model_larger_than_the_budget_waits_for_what_is_needed_and_is_waited_for() -> None:
    assert shelf("a").way_for(HUGE, {A.digest}) is None
    assert shelf("huge").way_for(A, {HUGE.digest}) is None
    assert shelf("huge").way_for(A, set()) == (HUGE.digest,)


def test_what_is_being_loaded_counts_already_and_stays() -> None:
    full = shelf("a")
    full.load(B)
    assert full.expects(B.digest)
    assert not full.holds(B.digest)
    assert full.way_for(C, set()) == (A.digest,)
    assert full.way_for(source("d", 61), set()) is None
    full.refused(B.digest)
    assert full.way_for(C, set()) == ()
