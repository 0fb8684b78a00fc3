"""One certification on its way through the engine."""

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field

from soundproof.audio.facts import ClipFacts
from soundproof.audio.waveform import Waveform
from soundproof.engine.admission import Ticket
from soundproof.engine.journal import Earlier, Journal
from soundproof.engine.protocol import RunId, Source
from soundproof.errors import SoundproofError
from soundproof.smoothing.certification import Abstained, Certification, Certified, Votes
from soundproof.smoothing.gated import Question
from soundproof.smoothing.plan import Block, Plan
from soundproof.smoothing.progress import Running, Watch


@dataclass(frozen=True)
class Finished:
    """A certification with what the certificate says about how it was computed."""

    facts: ClipFacts
    outcome: Certified | Abstained
    device: str
    generator: str  # what drew the noise
    backend: str  # what computed the votes
    queue_s: float  # from admission to the first block handed to a worker, its model's loading included
    run_s: float  # from then to the last vote, the clip's preparation included
    prepare_s: float = 0.0  # of it, until a worker had the clip at hand
    drawn: int = 0  # noise samples voted on in that time, hence none of an earlier run's
    devices: tuple[str, ...] = ()  # of all workers that voted
    messages: int = 0  # in which the votes came


@dataclass(eq=False)
class Run:
    """`pending` blocks have not been handed out; `outstanding` counts those that have and are not answered.
    `only_prepares`: it ends with the facts, once the clip is prepared; its first block is drawn in vain.

    Whether the votes of an earlier run of the same plan count is known when a worker has the clip at hand. Until then
    the blocks that it left are handed out first, and its own behind them."""

    id: RunId
    plan: Plan
    source: Source
    waveform: Waveform
    dimension: int
    ticket: Ticket
    done: "asyncio.Future[Finished | ClipFacts]"
    watch: Watch | None = None
    journal: Journal | None = None
    earlier: Earlier | None = None
    only_prepares: bool = False
    admitted_at: float = field(default_factory=time.monotonic)
    started_at: float | None = None
    prepared_at: float | None = None
    facts: ClipFacts | None = None
    backend: str = ""
    generator: str | None = None  # fixed by the first worker: the noise of one run comes from one generator
    outstanding: int = 0
    losses: int = 0
    drawn: int = field(default=0, init=False)  # noise samples voted on
    voted_on: Counter[str] = field(default_factory=Counter, init=False)  # messages with votes, by device
    pending: deque[Block] = field(init=False)
    certification: Certification = field(init=False)
    running: Running | None = field(init=False)
    _known: dict[Block, Votes] = field(default_factory=dict, init=False)  # of an earlier run, and not counted yet

    def __post_init__(self) -> None:
        self.certification = Certification(self.plan)
        self.running = Running(self.plan) if self.watch else None
        wanted = self.certification.wanted()[: 1 if self.only_prepares else None]
        voted = {block for block, _ in self.earlier.votes} if self.earlier else set()
        self.pending = deque(sorted(wanted, key=voted.__contains__))

    def hand_out(self, most: int) -> tuple[Block, ...]:
        """The next blocks to work on, at most `most`."""
        if self.started_at is None:
            self.started_at = time.monotonic()
        blocks = tuple(self.pending.popleft() for _ in range(min(most, len(self.pending))))
        self.outstanding += len(blocks)
        return blocks

    def take_back(self, blocks: tuple[Block, ...]) -> None:
        """These were handed out and will not be answered."""
        self.outstanding -= len(blocks)
        self.pending.extendleft(reversed(blocks))

    def prepared(self, facts: ClipFacts, backend: str, question: Question | None) -> None:
        """A worker has the clip at hand. What a gate asks of it is settled by the first that says so."""
        self.facts, self.backend = facts, backend
        self.prepared_at = self.prepared_at or time.monotonic()
        if self.only_prepares:
            if not self.done.done():
                self.done.set_result(facts)
            return
        if question is not None:
            self.pending.extend(self.certification.ask(question))
        if self.journal:
            assert self.generator is not None  # noqa: S101  (a worker was given a block, and the clip with it)
            self.journal.begun(facts, self.generator, backend)
        if self.earlier and (self.earlier.generator, self.earlier.backend) == (self.generator, backend):
            self._known = dict(self.earlier.votes)
            self._count_known()

    def record(self, blocks: tuple[Block, ...], votes: tuple[Votes, ...]) -> None:
        self.outstanding -= len(blocks)
        self.drawn += sum(block.samples for block in blocks)
        voted = tuple(zip(blocks, votes, strict=True))
        for block, result in voted:
            self._count(block, result)
        if self.journal:
            self.journal.voted(voted)
        if self.running and self.watch:
            self.watch(self.running.progress)
        self._count_known()

    def _count(self, block: Block, votes: Votes) -> None:
        self.certification.record(block, votes)
        if self.running:
            self.running.record(block, votes)

    def _count_known(self) -> None:
        """Votes of an earlier run are in as soon as they are wanted: a gate wants them look by look."""
        while True:
            if self._known:
                known = [block for block in self.pending if block in self._known]
                self.pending = deque(block for block in self.pending if block not in self._known)
                for block in known:
                    self._count(block, self._known.pop(block))
            if self.pending or self.outstanding:
                return
            self.pending.extend(self.certification.wanted())
            if self._known.keys().isdisjoint(self.pending):
                return

    @property
    def complete(self) -> bool:
        return not self.pending and not self.outstanding

    def finish(self, device: str) -> None:
        """Resolve with the outcome; nothing if the caller has left."""
        if self.done.done():
            return
        assert self.facts is not None  # noqa: S101  (sent before any vote)
        assert self.started_at is not None and self.prepared_at is not None  # noqa: S101, PT018
        assert self.generator is not None  # noqa: S101
        now = time.monotonic()
        self.done.set_result(
            Finished(
                facts=self.facts,
                outcome=self.certification.outcome(),
                device=device,
                generator=self.generator,
                backend=self.backend,
                queue_s=self.started_at - self.admitted_at,
                run_s=now - self.started_at,
                prepare_s=self.prepared_at - self.started_at,
                drawn=self.drawn,
                devices=tuple(sorted(self.voted_on)),
                messages=self.voted_on.total(),
            )
        )

    def fail(self, error: SoundproofError) -> None:
        if not self.done.done():
            self.done.set_exception(error)
