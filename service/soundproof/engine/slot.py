"""One device's place for a worker: keeps a child process there, and knows what it was given."""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from soundproof import __version__, logs
from soundproof.engine.child import WORKER, Child
from soundproof.engine.patience import Patience
from soundproof.engine.protocol import (
    Begin,
    Exhausted,
    Forget,
    FromWorker,
    Halved,
    Load,
    Loaded,
    Ready,
    Refused,
    RunId,
    Source,
    Start,
    Unload,
    Work,
)
from soundproof.engine.run import Run
from soundproof.engine.shelf import Shelf

log = logging.getLogger("soundproof.engine")

LONGEST_RESTART_WAIT_S = 30.0
# A worker that starts and says nothing for so long is replaced. Loading says nothing until it is done either, and may
# read gigabytes from a slow disk: it has a time of its own, and is not tried again after that.
START_STALL_S = 120.0
LOAD_STALL_S = 60.0
SLOWEST_LOAD_BYTES_PER_S = 50e6
# A worker that has closed its connection has so long to end by itself.
LAST_WORDS_S = 2.0
# A model that ended this many workers, one after another, is not tried again before the next reload: while it was
# loaded, or while it voted without any of its runs finished in between.
MOST_LOAD_LOSSES = 3
MOST_VOTE_LOSSES = 3


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one worker may use of the machine, and of its time; `cores`: where its device is the CPU, 0 for all there
    are."""

    model_memory_bytes: int
    cores: int = 0
    patience: Patience = field(default_factory=Patience)


class Slot:
    """`hear` is called with every message of the worker, `lost` when it ended without being told to."""

    def __init__(
        self,
        device: str,
        *,
        share: Share,
        hear: Callable[["Slot", FromWorker], None],
        lost: Callable[["Slot"], None],
        command: tuple[str, ...] = WORKER,
    ) -> None:
        self.device = device
        self.patience = share.patience
        self.ready: Ready | None = None
        self.shelf = Shelf(share.model_memory_bytes)
        self.inflight: deque[Load | Work] = deque()  # in the order in which the worker takes them
        self.refused: dict[str, str] = {}  # digest -> why this worker will not certify with that model
        self.has_loaded = False  # since its worker was started
        self.exhausted = False  # the worker ended, or is ending, for want of memory
        self.failed_starts = 0
        self._share = share
        self._hear = hear
        self._lost = lost
        self._command = command
        self._child: Child | None = None
        self._was_ready = False
        self._begun: dict[RunId, str] = {}  # run -> digest of its model
        self._load_losses: Counter[str] = Counter()
        self._vote_losses: Counter[str] = Counter()
        self._left_in_hand: str | None = None  # digest of the work in hand, where its run was forgotten meanwhile
        self._overdue = False  # the worker is ended because it stalled
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
        self.exhausted = self.has_loaded = self._overdue = False
        self._left_in_hand = None
        self._heard_at = time.monotonic()
        child.send(Start(self.device, self._share.cores, __version__, logs.style()))
        try:
            await self._listen(child)
        except EOFError:
            log.warning("the worker on %s ended with status %s", self.device, await child.end(grace_s=LAST_WORDS_S))
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
                case Loaded(digest, seconds):
                    name = self._answered_load(digest)
                    log.info("the worker on %s loaded %s (%s) in %.1f s", self.device, name, digest[:12], seconds)
                    self.shelf.loaded(digest)
                    self.has_loaded = True
                    del self._load_losses[digest]
                case Refused(digest, error):
                    name = self._answered_load(digest)
                    log.error("the worker on %s refuses %s (%s): %s", self.device, name, digest[:12], error)
                    self.shelf.refused(digest)
                    self.refused[digest] = str(error)
                case Exhausted():
                    self.exhausted = True
            self._hear(self, message)
            if not isinstance(message, Halved):
                self._left_in_hand = None  # whatever it was, the worker is done with it
            self._heard_at = time.monotonic()

    def _forget_everything(self) -> None:
        self._blame()
        self.shelf.clear()
        self._begun.clear()
        self._lost(self)  # takes back what is in flight
        self.inflight.clear()

    def _blame(self) -> None:
        """Count the worker that was lost against the model that it was working with."""
        head = self.inflight[0] if self.inflight else None
        if isinstance(head, Load) and self._left_in_hand is None:
            digest = head.source.digest
            self._load_losses[digest] += 1
            if self._overdue:
                self.refused[digest] = f"loading it took longer than {load_stall_s(head.source):.0f} s"
            elif self._load_losses[digest] >= MOST_LOAD_LOSSES:
                self.refused[digest] = f"the worker ended {MOST_LOAD_LOSSES} times while it loaded this model"
            return
        voting = self._left_in_hand or (self._begun.get(head.run) if isinstance(head, Work) else None)
        if voting is not None:
            self._vote_losses[voting] += 1
            if self._vote_losses[voting] >= MOST_VOTE_LOSSES:
                self.refused[voting] = f"it ended {MOST_VOTE_LOSSES} workers while voting"
                log.error("the worker on %s refuses %s: %s", self.device, voting[:12], self.refused[voting])

    def load(self, source: Source, going: tuple[str, ...] = ()) -> None:
        """Ask the worker, which is ready and loads nothing else, for a model, in the place of those `going`."""
        assert self._child is not None  # noqa: S101
        for digest in going:
            self.unload(digest)
        self.shelf.load(source)
        self._hand(Load(source))

    def unload(self, digest: str) -> None:
        """Free the memory of a model that no run here needs."""
        assert self._child is not None  # noqa: S101
        self.shelf.remove(digest)
        self._child.send(Unload(digest))

    def give(self, run: Run) -> tuple[int, int]:
        """Hand the next blocks of `run` to the worker, which holds its model, and the clip before its first. How many
        there were, and how many the worker takes at once."""
        assert self._child is not None and self.ready is not None  # noqa: S101, PT018
        if run.id not in self._begun:
            self._begun[run.id] = run.source.digest
            self._child.send(Begin(run.id, run.plan, run.waveform))
        run.generator = self.ready.generators[run.plan.noise]
        self.shelf.use(run.source.digest)
        most = self.ready.blocks_per_message
        blocks = run.hand_out(most)
        self._hand(Work(run.id, blocks))
        return len(blocks), most

    def _hand(self, message: Load | Work) -> None:
        assert self._child is not None  # noqa: S101
        if not self.inflight:
            self._heard_at = time.monotonic()
        self.inflight.append(message)
        self._child.send(message)

    def forget(self, run: RunId) -> None:
        """Nothing more is wanted of this run. The worker drops what is waiting; the chunk in hand it finishes."""
        if self.inflight and isinstance(head := self.inflight[0], Work) and head.run == run:
            self._left_in_hand = self._left_in_hand or self._begun.get(run)
        self.inflight = deque(each for each in self.inflight if isinstance(each, Load) or each.run != run)
        if run in self._begun and self._child is not None:
            del self._begun[run]
            self._child.send(Forget(run))

    def answered(self, run: RunId, blocks: tuple[object, ...]) -> float:
        """The worker answered for these blocks; the seconds since it was last heard of."""
        self.inflight = deque(
            each for each in self.inflight if isinstance(each, Load) or (each.run, each.blocks) != (run, blocks)
        )
        return time.monotonic() - self._heard_at

    def _answered_load(self, digest: str) -> str:
        """The worker answered for this model; its name."""
        [load] = (each for each in self.inflight if isinstance(each, Load) and each.source.digest == digest)
        self.inflight.remove(load)
        return load.source.name

    def finished(self, run: RunId) -> None:
        """A run that was dealt to the worker, among others, has all its votes: its model does not end workers."""
        if run in self._begun:
            del self._vote_losses[self._begun[run]]

    def has_begun(self, run: RunId) -> bool:
        """Whether the worker was given the clip of that run."""
        return run in self._begun

    @property
    def in_use(self) -> frozenset[str]:
        """Digests of the models of unfinished runs that were dealt to the worker: those stay."""
        return frozenset(self._begun.values())

    @property
    def runs(self) -> int:
        """How many unfinished runs were dealt to the worker."""
        return len(self._begun)

    def try_again(self, digest: str | None = None) -> None:
        """What was refused may be asked for again: that model, or all."""
        for each in (digest,) if digest else (*self.refused, *self._load_losses, *self._vote_losses):
            self.refused.pop(each, None)
            del self._load_losses[each], self._vote_losses[each]

    @property
    def silent_s(self) -> float:
        """Seconds for which a worker that is starting, or has work in hand, has not been heard of."""
        starting = self._child is not None and self.ready is None
        return time.monotonic() - self._heard_at if self.inflight or starting else 0.0

    @property
    def stalled(self) -> bool:
        """Whether the worker has been silent for longer than what it does can take."""
        match self.inflight[0] if self.inflight else None:
            case None:
                longest_s = START_STALL_S
            case Load(source):
                longest_s = load_stall_s(source)
            case Work():
                longest_s = self.patience.stall_s
        return self.silent_s > longest_s

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def replace(self) -> None:
        """End a worker that has stalled. A model that it was loading is not tried again."""
        self._overdue = True
        self.kill()

    def kill(self) -> None:
        if self._child:
            self._child.kill()


def load_stall_s(source: Source) -> float:
    """The longest that loading a model may take."""
    return LOAD_STALL_S + source.size_bytes / SLOWEST_LOAD_BYTES_PER_S
