"""The door: what is let in, and when to come back."""

import pytest

from soundproof.engine.admission import LONGEST_RETRY_AFTER_S, Admission, Limits, Ticket
from soundproof.errors import QueueFull


def door(*, runs: int = 4, cost: float = 100.0, audio_bytes: int = 1000, speed: float = 10.0) -> Admission:
    return Admission(Limits(runs=runs, cost=cost, audio_bytes=audio_bytes), cost_per_second=speed)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(Ticket(60, 1), Ticket(60, 1), id="cost"),
        pytest.param(Ticket(1, 600), Ticket(1, 600), id="audio"),
    ],
)
def test_what_does_not_fit_beside_the_admitted_work_is_refused_until_that_leaves(first: Ticket, second: Ticket) -> None:
    admission = door()
    admission.admit(first)
    with pytest.raises(QueueFull):
        admission.admit(second)
    admission.leave(first)
    admission.admit(second)
    assert admission.runs == 1


def test_no_more_runs_than_the_limit() -> None:
    admission = door(runs=2)
    for _ in range(2):
        admission.admit(Ticket(1, 1))
    with pytest.raises(QueueFull):
        admission.admit(Ticket(1, 1))


def test_a_single_run_is_always_let_in() -> None:
    admission = door(cost=1.0)
    admission.admit(Ticket(1e9, 1))
    assert admission.runs == 1


def test_retry_after_is_the_excess_over_the_measured_speed() -> None:
    admission = door(speed=10.0)
    admission.admit(Ticket(90, 1))
    with pytest.raises(QueueFull) as refused:
        admission.admit(Ticket(110, 1))
    assert refused.value.retry_after_s == 10  # (90 + 110 - 100) / 10
    slow = door(speed=1e-9)
    slow.admit(Ticket(90, 1))
    with pytest.raises(QueueFull) as refused:
        slow.admit(Ticket(110, 1))
    assert refused.value.retry_after_s == LONGEST_RETRY_AFTER_S


@pytest.mark.parametrize(
    ("left", "seconds"),
    [
        pytest.param([100] * 8, 80, id="equal runs end together, when all their work is done"),
        pytest.param([100] * 7 + [10], 8, id="the one with the least left ends when each had as much"),
        pytest.param([0.1] * 8, 1, id="never less than a second"),
    ],
)
def test_room_by_number_comes_with_the_first_end_among_runs_that_take_turns(left: list[float], seconds: int) -> None:
    admission = door(runs=8, cost=1e6, speed=10.0)
    for cost in left:
        admission.admit(Ticket(cost, 1))
    with pytest.raises(QueueFull) as refused:
        admission.admit(Ticket(1, 1))
    assert refused.value.retry_after_s == seconds


def test_finished_work_makes_room_before_the_run_has_left() -> None:
    admission = door()
    ticket = Ticket(90, 1)
    admission.admit(ticket)
    admission.worked(ticket, 50, seconds=1.0)
    assert ticket.cost == 40
    admission.admit(other := Ticket(60, 1))
    admission.leave(ticket)
    admission.leave(other)
    admission.admit(Ticket(100, 1))


def test_the_speed_follows_what_is_measured() -> None:
    admission = door(speed=10.0)
    admission.admit(Ticket(1e6, 1))
    for _ in range(50):
        admission.worked(Ticket(1e6, 1), 100, seconds=1.0)
    assert admission.cost_per_second == pytest.approx(100, rel=1e-3)


def test_a_claim_that_turns_out_smaller_makes_room_at_once() -> None:
    """A gate's, whose votes are known from look to look."""
    admission = door()
    admission.admit(ticket := Ticket(90, 1))
    with pytest.raises(QueueFull):
        admission.admit(Ticket(60, 1))
    ticket.cost = 30
    admission.admit(Ticket(60, 1))
    admission.leave(ticket)
    admission.admit(Ticket(40, 1))  # 60 + 40: nothing of the first is left
    with pytest.raises(QueueFull):
        admission.admit(Ticket(1, 1))
