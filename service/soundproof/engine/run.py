"""One certification on its way through the engine."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

from soundproof.audio.facts import ClipFacts
from soundproof.audio.waveform import Waveform
from soundproof.engine.admission import Ticket
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


@dataclass
class Run:
    """`pending` blocks have not been handed out; `outstanding` counts those that have and are not answered.
    `only_prepares`: it ends with the facts, once the clip is prepared; its first block is drawn in vain."""

    id: RunId
    plan: Plan
    source: Source
    waveform: Waveform
    dimension: int
    ticket: Ticket
    done: "asyncio.Future[Finished | ClipFacts]"
    watch: Watch | None = None
    only_prepares: bool = False
    admitted_at: float = field(default_factory=time.monotonic)
    started_at: float | None = None
    facts: ClipFacts | None = None
    backend: str = ""
    generator: str | None = None  # fixed by the first worker: the noise of one run comes from one generator
    outstanding: int = 0
    losses: int = 0
    pending: deque[Block] = field(init=False)
    certification: Certification = field(init=False)
    running: Running | None = field(init=False)

    def __post_init__(self) -> None:
        self.certification = Certification(self.plan)
        self.running = Running(self.plan) if self.watch else None
        self.pending = deque(self.certification.wanted()[: 1 if self.only_prepares else None])

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
        if self.only_prepares:
            if not self.done.done():
                self.done.set_result(facts)
            return
        if question is not None:
            self.pending.extend(self.certification.ask(question))

    def record(self, blocks: tuple[Block, ...], votes: tuple[Votes, ...]) -> None:
        self.outstanding -= len(blocks)
        for block, result in zip(blocks, votes, strict=True):
            self.certification.record(block, result)
            if self.running:
                self.running.record(block, result)
        if self.running and self.watch:
            self.watch(self.running.progress)
        if not self.pending and not self.outstanding:
            self.pending.extend(self.certification.wanted())

    @property
    def complete(self) -> bool:
        return not self.pending and not self.outstanding

    def finish(self, device: str) -> None:
        """Resolve with the outcome; nothing if the caller has left."""
        if self.done.done():
            return
        assert self.facts is not None  # noqa: S101  (sent before any vote)
        assert self.started_at is not None  # noqa: S101
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
            )
        )

    def fail(self, error: SoundproofError) -> None:
        if not self.done.done():
            self.done.set_exception(error)
