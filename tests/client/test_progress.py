"""How far a gate says it is: by a clock that is set, not waited for."""

import io

from rich.console import Console
from tests.client.made import GATE, result

from soundproof.client.gate.progress import GateProgress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def progress(clips: int) -> tuple[GateProgress, Clock, io.StringIO]:
    clock, told = Clock(), io.StringIO()
    return GateProgress(Console(file=told, width=200), clips, clock), clock, told


def test_rate_and_time_left_are_of_the_clips_that_were_asked() -> None:
    gate, clock, _ = progress(100)
    with gate:
        watch = gate.watch(GATE)
        for i in range(40):
            watch(result(f"{i}.wav"), True)
        clock.now = 10.0
        for i in range(20):
            watch(result(f"{i}.wav", "refuted"), False)
        assert gate.line == (
            "60 of 100 clips, 40 of them known already; 40 certified; 2.0 clips/s, about 20 s left"
        )  # fmt: skip


def test_a_log_has_a_line_now_and_then_and_a_last_one() -> None:
    gate, clock, told = progress(60)
    with gate:
        watch = gate.watch(GATE)
        for i in range(60):
            clock.now += 1.0
            watch(result(f"{i}.wav"), False)
    assert [line.split(";")[0] for line in told.getvalue().splitlines()] == ["30 of 60 clips", "60 of 60 clips"]


def test_many_clips_that_wait_say_so_once() -> None:
    gate, clock, told = progress(4)
    with gate:
        for _ in range(4):
            gate.tell("The service answered 429.")
        clock.now = 6.0
        gate.tell("The service answered 429 again.")
    assert told.getvalue().splitlines() == ["The service answered 429.", "The service answered 429 again."]


def test_nothing_asked_has_no_rate() -> None:
    gate, _, _ = progress(2)
    gate.watch(GATE)(result("a.wav"), True)
    assert gate.line == "1 of 2 clips, 1 of them known already; 1 certified"
