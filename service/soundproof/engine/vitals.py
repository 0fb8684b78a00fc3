"""How the engine stands at one moment, in numbers."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from soundproof.engine.run import Run
from soundproof.engine.slot import Slot


@dataclass(frozen=True, kw_only=True)
class WorkerVitals:
    """`silent_s`: since a worker that is starting or has work was last heard of; 0 for one that has none, whose end
    would be noticed at once."""

    device: str
    up: bool
    silent_s: float


@dataclass(frozen=True, kw_only=True)
class Vitals:
    """`waiting`: runs of which no worker was given anything yet; `oldest_waiting_s`: how long the first of them has
    waited, 0 where there is none."""

    waiting: int
    oldest_waiting_s: float
    workers: tuple[WorkerVitals, ...]

    @classmethod
    def of(cls, slots: Sequence[Slot], runs: Iterable[Run]) -> Self:
        now = time.monotonic()
        waits = [now - run.admitted_at for run in runs if run.started_at is None]
        return cls(
            waiting=len(waits),
            oldest_waiting_s=max(waits, default=0.0),
            workers=tuple(
                WorkerVitals(device=slot.device, up=slot.ready is not None, silent_s=slot.silent_s) for slot in slots
            ),
        )
