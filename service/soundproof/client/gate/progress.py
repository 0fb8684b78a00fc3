"""How far a gate is: a bar with rate and time left on a terminal, a line now and then in a log."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from soundproof.client.gate.question import Question
from soundproof.client.gate.result import Result, Standing
from soundproof.printable import printable

# Seconds between two lines of a log, and between two messages of one kind.
EVERY_S, TOLD_EVERY_S = 30.0, 5.0


class GateProgress:
    """`with GateProgress(console, clips) as progress`: `watch` is told of clips, `tell` of what the run waits for."""

    def __init__(self, console: Console, clips: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._clips, self._clock = console, clips, clock
        self._begun = self._spoken = clock()
        self._told: float | None = None
        self._done = self._asked = self._held = 0
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("certifying", total=clips, rate="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def watch(self, question: Question) -> Callable[[Result, bool], None]:
        """What to call with every clip that is done, and whether it was known from an earlier start."""

        def watch(result: Result, known: bool) -> None:
            self._done += 1
            self._asked += not known
            self._held += result.standing(question) is Standing.HELD
            self._bar.update(
                self._task, advance=1, description=f"{self._held} of {self._done} certified", rate=self._rate
            )
            if not self._console.is_terminal and (self._clock() - self._spoken >= EVERY_S or self._done == self._clips):
                self._spoken = self._clock()
                self._say(self.line)

        return watch

    def tell(self, text: str) -> None:
        """A message, at most one every few seconds: every clip that waits has the same to say."""
        if self._told is None or self._clock() - self._told >= TOLD_EVERY_S:
            self._told = self._clock()
            self._say(text)

    @property
    def line(self) -> str:
        """How far it is, at what rate, and how long it will take; clips known already cost no time."""
        known = f", {self._done - self._asked:,} of them known already" if self._done > self._asked else ""
        left = self._clips - self._done
        time_left = f", about {_duration(left * self._seconds / self._asked)} left" if left and self._asked else ""
        rate = f"; {self._rate}" if self._rate else ""
        return f"{self._done:,} of {self._clips:,} clips{known}; {self._held:,} certified{rate}{time_left}"

    @property
    def _seconds(self) -> float:
        return max(1e-9, self._clock() - self._begun)

    @property
    def _rate(self) -> str:
        if not self._asked:
            return ""
        rate = self._asked / self._seconds
        return f"{rate:.1f} clips/s" if rate >= 1 else f"{60 * rate:.1f} clips/min"

    def _say(self, text: str) -> None:
        self._bar.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
