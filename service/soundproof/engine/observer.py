"""Who is told what the engine does."""

from typing import Protocol


class Observer(Protocol):
    """api/metrics.py counts it; tests wait for it."""

    def samples(self, stage: str, count: int) -> None:
        """`count` votes of `stage` arrived."""

    def worker_lost(self) -> None:
        """A worker ended that was not told to."""

    def admitted(self, runs: int) -> None:
        """So many runs are admitted now."""

    def model_load(self, result: str, seconds: float) -> None:
        """A worker tried to load a model; `result`: loaded or refused."""

    def models_evicted(self, count: int) -> None:
        """So many models had to make room for another."""

    def models_held(self, count: int, size_bytes: int) -> None:
        """All workers together hold so many models now."""
