"""One device's place for a worker: keeps a child process there, and knows what it was given."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from soundproof import __version__
from soundproof.engine.child import WORKER, Child
from soundproof.engine.protocol import (
    Begin,
    Exhausted,
    Forget,
    FromWorker,
    Ready,
    Refused,
    RunId,
    Start,
    Work,
)
from soundproof.engine.run import Run

log = logging.getLogger("soundproof.engine")

LONGEST_RESTART_WAIT_S = 30.0


class Slot:
    """`hear` is called with every message of the worker, `lost` when it ended without being told to."""

    def __init__(
        self,
        device: str,
        models: Mapping[str, Path],
        *,
        hear: Callable[["Slot", FromWorker], None],
        lost: Callable[["Slot"], None],
        command: tuple[str, ...] = WORKER,
    ) -> None:
        self.device = device
        self.ready: Ready | None = None
        self.inflight: deque[Work] = deque()
        self.refused: dict[str, str] = {}  # model -> why this worker will not certify with it
        self.exhausted = False  # the worker ended, or is ending, for want of memory
        self.failed_starts = 0
        self._models = dict(models)
        self._hear = hear
        self._lost = lost
        self._command = command
        self._child: Child | None = None
        self._was_ready = False
        self._begun: set[RunId] = set()
        self._heard_at = 0.0

    async def keep(self) -> None:
        """Start a worker and listen to it; when it ends, start the next. Until cancelled."""
        while True:
            try:
                await self._one_life()
            except Exception:  # a fault in here must not leave the device without a worker
                log.exception("the worker on %s could not be served", self.device)
            self.failed_starts = 0 if self._was_ready else self.failed_starts + 1
            self._forget_everything()
            if self.failed_starts:
                await asyncio.sleep(min(0.5 * 2**self.failed_starts, LONGEST_RESTART_WAIT_S))

    async def _one_life(self) -> None:
        self._was_ready = False
        child = self._child = await Child.start(self._command)
        self.exhausted = False
        self.refused.clear()
        self._heard_at = time.monotonic()
        child.send(Start(self._models, self.device, __version__))
        try:
            await self._listen(child)
        except EOFError:
            log.warning("the worker on %s ended with status %s", self.device, await child.end())
        finally:
            self._child = None
            self.ready = None  # nothing can be given to it any more
            await child.end()

    async def _listen(self, child: Child) -> None:
        while True:
            message = await child.receive()
            match message:
                case Ready():
                    self.ready, self._was_ready = message, True
                case Refused(model, error):
                    self.refused[model] = str(error)
                case Exhausted():
                    self.exhausted = True
            self._hear(self, message)
            self._heard_at = time.monotonic()

    def _forget_everything(self) -> None:
        self._begun.clear()
        self._lost(self)  # takes back what is in flight
        self.inflight.clear()

    def give(self, run: Run, most: int) -> None:
        """Hand the next blocks of `run` to the worker, which is ready, and the clip before its first."""
        assert self._child is not None and self.ready is not None  # noqa: S101, PT018
        if run.id not in self._begun:
            self._begun.add(run.id)
            self._child.send(Begin(run.id, run.plan, run.waveform))
        run.generator = self.ready.generator
        work = Work(run.id, run.hand_out(most))
        if not self.inflight:
            self._heard_at = time.monotonic()
        self.inflight.append(work)
        self._child.send(work)

    def forget(self, run: RunId) -> None:
        """Nothing more is wanted of this run. The worker drops what is waiting; the chunk in hand it finishes."""
        self.inflight = deque(work for work in self.inflight if work.run != run)
        if run in self._begun and self._child is not None:
            self._begun.discard(run)
            self._child.send(Forget(run))

    def answered(self, run: RunId, blocks: tuple[object, ...]) -> float:
        """The worker answered for these blocks; the seconds since it was last heard of."""
        self.inflight = deque(work for work in self.inflight if (work.run, work.blocks) != (run, blocks))
        return time.monotonic() - self._heard_at

    @property
    def silent_s(self) -> float:
        """Seconds for which a worker that is loading, or has work in hand, has not been heard of."""
        loading = self._child is not None and self.ready is None
        return time.monotonic() - self._heard_at if self.inflight or loading else 0.0

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def kill(self) -> None:
        if self._child:
            self._child.kill()
