"""Who is told what the engine does."""

from typing import Protocol

from soundproof.smoothing.plan import Plan


class Observer(Protocol):
    """api/metrics.py counts it; tests wait for it."""

    def samples(self, plan: Plan, stage: str, count: int) -> None:
        """`count` votes of `stage` arrived, for a run of that plan."""

    def dealt(self, blocks: int, room: int) -> None:
        """A message with so many blocks went to a worker, which takes `room` of them in one."""

    def answered(self, device: str, seconds: float) -> None:
        """A message of votes came back; `seconds`: for which the worker on that device had worked on it."""

    def memory_halved(self, device: str) -> None:
        """The device's memory did not hold a chunk; its worker goes on with half of it."""

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
