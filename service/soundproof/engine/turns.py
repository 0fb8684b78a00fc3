"""Whose blocks are next."""

from collections import deque
from collections.abc import Callable

from soundproof.engine.run import Run


class Turns:
    """Round robin: whoever was served waits until all others were looked at."""

    def __init__(self) -> None:
        self._runs: deque[Run] = deque()

    def join(self, run: Run) -> None:
        self._runs.append(run)

    def leave(self, run: Run) -> None:
        self._runs.remove(run)

    def next(self, suits: Callable[[Run], bool]) -> Run | None:
        """The next run that suits, which then goes behind all others."""
        for _ in range(len(self._runs)):
            run = self._runs[0]
            self._runs.rotate(-1)
            if suits(run):
                return run
        return None
