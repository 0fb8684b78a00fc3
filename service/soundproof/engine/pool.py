"""The coordinator of the workers: deals blocks out fairly between runs, and again when a worker is lost.

Everything here runs on one asyncio loop and never imports torch. A run's state is its Certification; workers hold
nothing that cannot be sent again, so a lost worker costs time, never an answer.
"""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Sequence
from dataclasses import replace

from soundproof.audio.facts import ClipFacts
from soundproof.audio.waveform import Waveform
from soundproof.engine.admission import Admission, Limits, Ticket
from soundproof.engine.child import WORKER
from soundproof.engine.ending import failing, given_up, stopped, unavailable
from soundproof.engine.journal import Earlier, Journal
from soundproof.engine.observer import Observer
from soundproof.engine.placement import Placement
from soundproof.engine.protocol import (
    ClipPrepared,
    FromWorker,
    Halved,
    Load,
    Loaded,
    Ready,
    Refused,
    RunFailed,
    RunId,
    Source,
    Voted,
)
from soundproof.engine.run import Finished, Run
from soundproof.engine.slot import Share, Slot
from soundproof.engine.standing import Standing
from soundproof.engine.trial import Trials
from soundproof.engine.turns import Turns
from soundproof.engine.vitals import Vitals
from soundproof.errors import ModelUnavailable
from soundproof.smoothing.plan import Plan
from soundproof.smoothing.progress import Watch

log = logging.getLogger("soundproof.engine")

# Messages sent ahead to a worker: one to work on, one so that it need not wait for the next.
DEPTH = 2
# A run whose blocks ended this many workers is given up.
MOST_LOSSES = 3
# Cost a second (noise samples x clip samples) to assume of a device before anything was measured: two cores' worth.
FIRST_GUESS = 2e7


class Pool:
    """Workers for `devices`, each with a `share` of its own."""

    def __init__(
        self,
        *,
        devices: tuple[str, ...],
        limits: Limits,
        observer: Observer,
        share: Share,
        worker_command: tuple[str, ...] = WORKER,
    ) -> None:
        self.slots = [
            Slot(device, share=share, hear=self._hear, lost=self._lost, command=worker_command) for device in devices
        ]
        self._observer = observer
        self._admission = Admission(limits, cost_per_second=FIRST_GUESS * len(devices))
        self._runs: dict[RunId, Run] = {}
        self._placement = Placement(self.slots, self._runs, observer.models_evicted)
        self.standing = Standing(self.slots)
        self._trials = Trials(self._placement, self.standing)
        self._turns = Turns()
        self._ids = itertools.count(1)
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = self._stopping = False
        self._idle = asyncio.Event()  # while no run is there
        self._idle.set()

    def start(self) -> None:
        """Begin to start the workers; needs a running loop. Work is accepted at once and waits for them."""
        self._tasks = [asyncio.create_task(slot.keep()) for slot in self.slots]
        self._tasks.append(asyncio.create_task(self._look_after()))

    async def drain(self, limit_s: float) -> int:
        """Let no run in any more, and those that are there end by themselves within so many seconds; the others fail
        with EngineStopped. How many these were."""
        self._closed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._idle.wait()
        return self.give_up()

    async def stop(self) -> None:
        """End the workers; every run still going on fails with EngineStopped."""
        self._closed = self._stopping = True
        self.give_up()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def give_up(self) -> int:
        """Every run that is going on fails with EngineStopped. How many there were."""
        left = [run for run in self._runs.values() if not run.done.done()]
        for run in left:
            run.fail(stopped())
        return len(left)

    def offer(self, sources: Sequence[Source]) -> None:
        """What new runs may ask for from now on, the default first: that one every worker loads unasked. Runs of other
        versions go on; what was refused is tried again when it is asked for."""
        self._placement.offered = tuple(sources)
        self._placement.trials.clear()
        for slot in self.slots:
            slot.try_again()
        self._settle()

    def exchange(self, sources: Sequence[Source], digest: str) -> None:
        """As `offer`, where only the model of that digest was changed: trials go on, other refusals stand."""
        self._placement.offered = tuple(sources)
        for slot in self.slots:
            slot.try_again(digest)
        self._settle()

    async def try_out(self, source: Source, replaced: str, *, in_its_place: bool = False) -> bool:
        """Load `source` beside the version it is about to replace, and keep it until the next offer. False where no
        worker has room for both now. `in_its_place`: the replaced one may go, where no run uses it.

        Raises ModelUnavailable, with the reason, when the worker refuses it or ends over it.
        """
        return await self._trials.run(source, replaced, in_its_place=in_its_place)

    async def certify(  # noqa: PLR0913  (what makes a run)
        self,
        plan: Plan,
        source: Source,
        waveform: Waveform,
        dimension: int,
        *,
        begun_anew: bool = False,
        watch: Watch | None = None,
        journal: Journal | None = None,
        earlier: Earlier | None = None,
    ) -> Finished:
        """Run `plan` with the model `source` on the clip. Cancelling the awaiting task frees the run's place within one
        chunk.

        `dimension`: samples of the prepared clip, for the cost. `begun_anew`: the same request was admitted before and
        failed for want of its model: it is not refused for want of room. `watch` is told whenever votes come in, on the
        loop; `journal` is told what `earlier` may be made of. Raises QueueFull, ModelUnavailable, the AudioErrors of
        preparation, WorkerLost, WorkerFault, DeviceMemoryExhausted, EngineStopped.
        """
        # What a gate needs is known from look to look; at first, its selection.
        votes = plan.n0 + (plan.n if plan.target_snr_db is None else 0)
        ticket = Ticket(votes * float(dimension), waveform.samples.nbytes)
        self._admit(ticket, source, begun_anew=begun_anew)
        future = asyncio.get_running_loop().create_future()
        run = Run(next(self._ids), plan, source, waveform, dimension, ticket, future, watch, journal, earlier)
        finished = await self._ended(run)
        assert isinstance(finished, Finished)  # noqa: S101
        return finished

    async def prepare(self, plan: Plan, source: Source, waveform: Waveform, dimension: int) -> ClipFacts:
        """The clip as the plan's model hears it. The plan's target, if it has one, is not asked for, and of its votes
        one selection vote is drawn at most. Raises as certify does."""
        plan = replace(plan, n0=1, target_snr_db=None)
        ticket = Ticket(float(dimension), waveform.samples.nbytes)
        self._admit(ticket, source)
        future = asyncio.get_running_loop().create_future()
        run = Run(next(self._ids), plan, source, waveform, dimension, ticket, future, only_prepares=True)
        facts = await self._ended(run)
        assert isinstance(facts, ClipFacts)  # noqa: S101
        return facts

    def _admit(self, ticket: Ticket, source: Source, *, begun_anew: bool = False) -> None:
        if self._closed:
            raise stopped()
        self._admission.admit(ticket, begun_anew=begun_anew)
        if reason := self.standing.unavailable(source.digest):
            self._admission.leave(ticket)
            raise unavailable(source, reason)

    async def _ended(self, run: Run) -> Finished | ClipFacts:
        """What an admitted run comes to."""
        self._runs[run.id] = run
        self._turns.join(run)
        self._idle.clear()
        self._observer.admitted(len(self._runs))
        try:
            self._settle()
            return await run.done
        finally:
            self._remove(run)

    @property
    def obstacle(self) -> str | None:
        """Why no work can make progress now; None when it can."""
        if self._closed:
            return "the service is shutting down"
        return self.standing.obstacle(self._placement.offered)

    @property
    def vitals(self) -> Vitals:
        return Vitals.of(self.slots, self._runs.values())

    def _remove(self, run: Run) -> None:
        """The only way out, taken once by every admitted run: finished, failed or left by its caller."""
        del self._runs[run.id]
        self._turns.leave(run)
        self._admission.leave(run.ticket)
        self._observer.admitted(len(self._runs))
        if not self._runs:
            self._idle.set()
        for slot in self.slots:
            slot.forget(run.id)
        self._settle()

    def _settle(self) -> None:
        """Decide anew which worker holds which model, then deal."""
        if not self._stopping:
            self._placement.settle()
            self._deal()
            self._observer.models_held(
                sum(len(slot.shelf.held) for slot in self.slots), sum(slot.shelf.size_bytes for slot in self.slots)
            )

    def _deal(self) -> None:
        """Fill every worker's hand, one message per run in turn."""
        for slot in self.slots:
            while slot.ready and len(slot.inflight) < DEPTH and (run := self._next(slot, slot.ready)):
                self._observer.dealt(*slot.give(run))
        self._placement.spread()

    def _fail_hopeless(self) -> None:
        """Runs of models that no worker can be expected to serve end with the reason."""
        for run in self._runs.values():
            if reason := self.standing.unavailable(run.source.digest):
                run.fail(unavailable(run.source, reason))

    def _next(self, slot: Slot, ready: Ready) -> Run | None:
        """The next run in turn that this worker can go on with."""

        def suits(run: Run) -> bool:
            fits = slot.shelf.holds(run.source.digest) and run.generator in (None, ready.generators[run.plan.noise])
            return fits and bool(run.pending) and not run.done.done() and self._placement.may_begin(slot, run)

        return self._turns.next(suits)

    def _hear(self, slot: Slot, message: FromWorker) -> None:
        match message:
            case Voted():
                self._record(slot, message)
                self._deal()
                return
            case Halved():
                self._observer.memory_halved(slot.device)
            case ClipPrepared(run_id, facts, backend, question):
                if run := self._runs.get(run_id):
                    with failing(run):
                        run.prepared(facts, backend, question)
                        self._claim(run)
                self._deal()  # a gate's first estimation blocks are wanted from now on
                return
            case RunFailed(run_id, error):
                slot.forget(run_id)
                if run_id in self._runs:
                    self._runs[run_id].fail(error)
            case Loaded(digest, seconds):
                self._observer.model_load("loaded", seconds)
                self._trials.answered(digest)
            case Refused(digest, error, seconds):
                self._observer.model_load("refused", seconds)
                self._trials.answered(digest, ModelUnavailable(error.detail, error.hint))
                self._fail_hopeless()
            case Ready(device=device):
                log.info("the worker on %s is ready", device)
        self._settle()

    def _record(self, slot: Slot, voted: Voted) -> None:
        seconds = slot.answered(voted.run, voted.blocks)
        self._observer.answered(slot.device, seconds)
        run = self._runs.get(voted.run)
        if run is None:
            return
        for block in voted.blocks:
            self._observer.samples(run.plan, block.stage.name.lower(), block.samples)
        cost = sum(block.samples for block in voted.blocks) * float(run.dimension)
        self._admission.worked(run.ticket, cost, seconds / sum(bool(s.ready) for s in self.slots))
        run.voted_on[slot.device] += 1
        with failing(run):
            run.record(voted.blocks, voted.votes)
            self._claim(run)
            if run.complete and slot.ready:
                run.finish(slot.ready.device)
                for each in self.slots:
                    each.finished(run.id)

    def _claim(self, run: Run) -> None:
        """A gate's next look, or none, is known now, and so is what it still claims."""
        if run.plan.target_snr_db is not None:
            left = sum(block.samples for block in run.certification.wanted())
            run.ticket.cost = left * float(run.dimension)

    def _lost(self, slot: Slot) -> None:
        """Take back what the worker held; give up a run that keeps ending workers."""
        self._observer.worker_lost()
        for position, work in enumerate(slot.inflight):
            if isinstance(work, Load):
                digest = work.source.digest
                reason = slot.refused.get(digest, "the worker ended before it was loaded")
                self._trials.answered(digest, ModelUnavailable(f"{reason[0].upper()}{reason[1:]}."))
                continue
            run = self._runs.get(work.run)
            if run is None:
                continue
            run.take_back(work.blocks)
            run.losses += position == 0  # the piece it was working on; the rest was only waiting
            if run.losses >= MOST_LOSSES:
                run.fail(given_up(slot.device, exhausted=slot.exhausted, losses=MOST_LOSSES))
        self._fail_hopeless()
        self._settle()

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.replace_stalled()

    def replace_stalled(self) -> None:
        """End every worker that has been silent for longer than what it does can take."""
        for slot in self.slots:
            if slot.stalled:
                log.error("the worker on %s has been silent for %.0f s; replacing it", slot.device, slot.silent_s)
                slot.replace()
