"""The coordinator of the workers: deals blocks out fairly between runs, and again when a worker is lost.

Everything here runs on one asyncio loop and never imports torch. A run's state is its Certification; workers hold
nothing that cannot be sent again, so a lost worker costs time, never an answer.
"""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from soundproof.audio.waveform import Waveform
from soundproof.engine.admission import Admission, Limits, Ticket
from soundproof.engine.child import WORKER
from soundproof.engine.protocol import ClipPrepared, FromWorker, Ready, Refused, RunFailed, RunId, Voted
from soundproof.engine.run import Finished, Run
from soundproof.engine.slot import Slot
from soundproof.errors import DeviceMemoryExhausted, EngineStopped, ModelUnavailable, WorkerFault, WorkerLost
from soundproof.smoothing.plan import Plan

log = logging.getLogger("soundproof.engine")

# Messages sent ahead to a worker: one to work on, one so that it need not wait for the next.
DEPTH = 2
# A run whose blocks ended this many workers is given up.
MOST_LOSSES = 3
# A worker that ended so many times in a row before it was ready is not waited for.
MOST_FAILED_STARTS = 3
# A worker that has work and says nothing for so long is not making progress; after STALL_S it is replaced.
UNREADY_S = 30.0
STALL_S = 120.0
# Cost a second (noise samples x clip samples) to assume of a device before anything was measured.
FIRST_GUESS = 4e6


class Observer(Protocol):
    """Who is told what the engine does."""

    def samples(self, stage: str, count: int) -> None:
        """`count` votes of `stage` arrived."""

    def worker_lost(self) -> None:
        """A worker ended that was not told to."""

    def admitted(self, runs: int) -> None:
        """So many runs are admitted now."""


class Pool:
    """Workers for `devices`, each serving all of `models` (name -> folder)."""

    def __init__(
        self,
        models: Mapping[str, Path],
        *,
        devices: tuple[str, ...],
        limits: Limits,
        observer: Observer,
        worker_command: tuple[str, ...] = WORKER,
    ) -> None:
        self.slots = [
            Slot(device, models, hear=self._hear, lost=self._lost, command=worker_command) for device in devices
        ]
        self._models = tuple(models)
        self._observer = observer
        self._admission = Admission(limits, cost_per_second=FIRST_GUESS * len(devices))
        self._runs: dict[RunId, Run] = {}
        self._turns: deque[RunId] = deque()  # round robin: whose blocks are next
        self._ids = itertools.count(1)
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    def start(self) -> None:
        """Begin to start the workers; needs a running loop. Work is accepted at once and waits for them."""
        self._tasks = [asyncio.create_task(slot.keep()) for slot in self.slots]
        self._tasks.append(asyncio.create_task(self._replace_stalled()))

    async def stop(self) -> None:
        """End the workers; every run still going on fails with EngineStopped."""
        self._stopping = True
        for run in list(self._runs.values()):
            run.fail(_stopped())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def certify(self, plan: Plan, waveform: Waveform, dimension: int) -> Finished:
        """Run `plan` on the clip. Cancelling the awaiting task frees the run's place within one chunk.

        `dimension`: samples of the prepared clip, for the cost. Raises QueueFull, ModelUnavailable, the AudioErrors
        of preparation, WorkerLost, WorkerFault, DeviceMemoryExhausted, EngineStopped.
        """
        if self._stopping:
            raise _stopped()
        if reason := self.unavailable(plan.model):
            raise ModelUnavailable(f"Model {plan.model!r} cannot be served: {reason}")
        ticket = Ticket((plan.n0 + plan.n) * float(dimension), waveform.samples.nbytes)
        self._admission.admit(ticket)
        future = asyncio.get_running_loop().create_future()
        run = Run(next(self._ids), plan, waveform, dimension, ticket, future)
        self._runs[run.id] = run
        self._turns.append(run.id)
        self._observer.admitted(len(self._runs))
        try:
            self._deal()
            return await run.done
        finally:
            self._remove(run)

    @property
    def obstacle(self) -> str | None:
        """Why no work can make progress now; None when it can."""
        if any(slot.ready and slot.ready.models and slot.silent_s < UNREADY_S for slot in self.slots):
            return None
        reasons = [self.unavailable(model) for model in self._models]
        if all(reasons):
            return "; ".join(dict.fromkeys(reason for reason in reasons if reason))
        if any(slot.silent_s >= UNREADY_S for slot in self.slots):
            return "the worker has been silent for too long"
        return "the worker is loading its models"

    def serves(self, model: str) -> bool:
        """Whether a worker has loaded that model."""
        return any(slot.ready and model in slot.ready.models for slot in self.slots)

    def unavailable(self, model: str) -> str | None:
        """Why no worker can be expected to serve a model; None while one does, or still may."""
        reasons = []
        for slot in self.slots:
            if model in slot.refused:
                reasons.append(slot.refused[model])
            elif not slot.ready and slot.failed_starts >= MOST_FAILED_STARTS:
                reasons.append(f"the worker ended {slot.failed_starts} times before it was ready; see the log")
            else:
                return None
        return "; ".join(dict.fromkeys(reasons))

    def _remove(self, run: Run) -> None:
        """The only way out, taken once by every admitted run: finished, failed or left by its caller."""
        del self._runs[run.id]
        self._turns.remove(run.id)
        self._admission.leave(run.ticket)
        self._observer.admitted(len(self._runs))
        for slot in self.slots:
            slot.forget(run.id)
        self._deal()

    def _deal(self) -> None:
        """Fill every worker's hand, one message per run in turn."""
        for slot in self.slots:
            while slot.ready and len(slot.inflight) < DEPTH and (run := self._next(slot.ready)):
                slot.give(run, slot.ready.blocks_per_message)

    def _fail_hopeless(self) -> None:
        """Runs of models that no worker can be expected to serve end with the reason."""
        for run in self._runs.values():
            if reason := self.unavailable(run.plan.model):
                run.fail(ModelUnavailable(f"Model {run.plan.model!r} cannot be served: {reason}"))

    def _next(self, ready: Ready) -> Run | None:
        """The next run in turn that a worker with these models can go on with."""
        for _ in range(len(self._turns)):
            run = self._runs[self._turns[0]]
            self._turns.rotate(-1)
            suits = run.plan.model in ready.models and run.generator in (None, ready.generator)
            if suits and run.pending and not run.done.done():
                return run
        return None

    def _hear(self, slot: Slot, message: FromWorker) -> None:
        match message:
            case Ready(device=device, models=models):
                log.info("the worker on %s serves %s", device, ", ".join(models) or "no model")
            case Refused(model, error):
                log.error("model %s is refused: %s", model, error)
                self._fail_hopeless()
            case ClipPrepared(run_id, facts):
                if run_id in self._runs:
                    self._runs[run_id].facts = facts
            case Voted():
                self._record(slot, message)
            case RunFailed(run_id, error):
                slot.forget(run_id)
                if run_id in self._runs:
                    self._runs[run_id].fail(error)
        self._deal()

    def _record(self, slot: Slot, voted: Voted) -> None:
        seconds = slot.answered(voted.run, voted.blocks)
        run = self._runs.get(voted.run)
        if run is None:
            return
        for block in voted.blocks:
            self._observer.samples(block.stage.name.lower(), block.samples)
        cost = sum(block.samples for block in voted.blocks) * float(run.dimension)
        run.ticket = self._admission.worked(run.ticket, cost, seconds / sum(bool(s.ready) for s in self.slots))
        try:
            run.record(voted.blocks, voted.votes)
            if run.complete and slot.ready:
                run.finish(slot.ready.device, slot.ready.precision)
        except Exception:  # a fault of ours fails this run; it must neither hang nor take the worker with it
            log.exception("run %s failed", run.id)
            run.fail(WorkerFault("The service failed on this request."))

    def _lost(self, slot: Slot) -> None:
        """Take back what the worker held; give up a run that keeps ending workers."""
        self._observer.worker_lost()
        for position, work in enumerate(slot.inflight):
            run = self._runs.get(work.run)
            if run is None:
                continue
            run.take_back(work.blocks)
            run.losses += position == 0  # the piece it was working on; the rest was only waiting
            if run.losses >= MOST_LOSSES:
                run.fail(_given_up(slot))
        self._fail_hopeless()
        self._deal()

    async def _replace_stalled(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            for slot in self.slots:
                if slot.silent_s > STALL_S:
                    log.error("the worker on %s has been silent for %.0f s; replacing it", slot.device, slot.silent_s)
                    slot.kill()


def _stopped() -> EngineStopped:
    return EngineStopped("The service is shutting down.", "Send the request again later.")


def _given_up(slot: Slot) -> DeviceMemoryExhausted | WorkerLost:
    if slot.exhausted:
        return DeviceMemoryExhausted(
            f"The memory of {slot.device} does not hold this request, however little is tried at a time.",
            "Ask the operator for a device with more memory, or use a model of shorter clips.",
        )
    return WorkerLost(f"The worker ended {MOST_LOSSES} times while it worked on this request.", "Please report this.")
