"""Workers that compute nothing but hold the coordinator to its promises: the real pool drives them, in its process."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from soundproof.audio.facts import ClipFacts
from soundproof.audio.waveform import Waveform
from soundproof.engine.protocol import (
    Begin,
    ClipPrepared,
    Forget,
    FromWorker,
    Load,
    Loaded,
    Ready,
    Refused,
    RunFailed,
    RunId,
    Source,
    Start,
    ToWorker,
    Unload,
    Voted,
    Work,
)
from soundproof.errors import ModelRefused, WorkerFault
from soundproof.smoothing.certification import Geometry, Votes
from soundproof.smoothing.gated import question_of
from soundproof.smoothing.plan import BoundName, ContractName, NoiseName, Plan, TransformName
from soundproof.terms import GainPolicy

CLASSES = 2
CLIP = Waveform(np.ones((1, 4), np.float32), 16_000)
FACTS = ClipFacts(
    sample_rate_hz=16_000,
    channels=1,
    frames=4,
    duration_s=4 / 16_000,
    rms_dbfs=0.0,
    peak_dbfs=0.0,
    file_norm=2.0,
    steps=(),
    cropped_frames=0,
    padded_frames=0,
    gain_policy=GainPolicy.NONE,
    gain_target=None,
    gain=1.0,
    operator_norm=1.0,
    linear_norm=2.0,
    norm=2.0,
    peak=1.0,
    dimension=4,
    prepared_rate_hz=16_000,
)


def source(name: str, size_bytes: int) -> Source:
    return Source(name, f"digest of {name}", Path(name), size_bytes)


def plan(source: Source, n: int = 300) -> Plan:
    return Plan(
        model=source.name,
        model_digest=source.digest,
        classes=CLASSES,
        contract=ContractName.WAVEFORM,
        transform=TransformName.FIXED,
        sigma=0.5,
        n0=1,
        n=n,
        alpha=0.001,
        bound=BoundName.CLOPPER_PEARSON,
        seed=1,
        clip_sha256="00",
        dimension=4,
    )


@dataclass
class SimulatedWorker:
    """Takes the place of engine.child.Child. `faults`: every promise of the coordinator that was broken."""

    budget_bytes: int
    faults: list[str]
    refuses: set[str] = field(default_factory=set)  # names of models
    dies_loading: set[str] = field(default_factory=set)
    hangs_loading: set[str] = field(default_factory=set)
    dies_voting: set[str] = field(default_factory=set)
    fails_voting: set[str] = field(default_factory=set)
    before: Callable[[ToWorker], None] = lambda _: None  # called with each message that is taken
    pid: int = 1
    inbox: list[ToWorker] = field(default_factory=list)
    held: dict[str, Source] = field(default_factory=dict)
    loads: list[str] = field(default_factory=list)
    runs: dict[RunId, str] = field(default_factory=dict)
    dead: bool = False
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _answers: list[FromWorker] = field(default_factory=list)

    def send(self, message: ToWorker) -> None:
        if isinstance(message, Forget):  # taken ahead of what waits, as the real worker does
            self.runs.pop(message.run, None)
            self.inbox = [
                each for each in self.inbox if not (isinstance(each, Begin | Work) and each.run == message.run)
            ]
        else:
            self.inbox.append(message)
        self._arrived.set()

    async def receive(self) -> FromWorker:
        while True:
            await asyncio.sleep(0)
            if self.dead:
                raise EOFError
            if self._answers:
                return self._answers.pop(0)
            while not self.inbox and not self.dead:
                self._arrived.clear()
                await self._arrived.wait()
            if not self.dead:
                message = self.inbox.pop(0)
                self.before(message)
                self._take(message)

    def _take(self, message: ToWorker) -> None:
        match message:
            case Start(device=device):
                self._answers.append(Ready(device, dict.fromkeys(NoiseName, "none"), blocks_per_message=1))
            case Load(source) if source.name in self.dies_loading:
                self.kill()
            case Load(source) if source.name in self.hangs_loading:
                self.inbox.clear()  # nothing is answered any more
            case Load(source) if source.name in self.refuses:
                self._answers.append(Refused(source.digest, ModelRefused("it is broken."), 0.0))
            case Load(source):
                self.held[source.digest] = source
                self.loads.append(source.name)
                self._answers.append(Loaded(source.digest, 0.0))
                taken = sum(each.size_bytes for each in self.held.values())
                self._expect(taken <= self.budget_bytes or len(self.held) == 1, f"{taken} bytes are held")
            case Unload(digest):
                self._expect(digest in self.held, f"{digest} is unloaded but not held")
                self._expect(digest not in self.runs.values(), f"{digest} is unloaded under a run")
                self.held.pop(digest, None)
            case Begin(run, begun, _):
                self._expect(begun.model_digest in self.held, f"a run of {begun.model_digest} is begun without it")
                self.runs[run] = begun.model_digest
                self._answers.append(ClipPrepared(run, FACTS, "simulated", question_of(begun, FACTS.norm)))
            case Work(run, _) if run in self.runs and self.held[self.runs[run]].name in self.dies_voting:
                self.kill()
            case Work(run, _) if run in self.runs and self.held[self.runs[run]].name in self.fails_voting:
                self._answers.append(RunFailed(run, WorkerFault("injected")))
            case Work(run, _) if run not in self.runs:
                self._answers.append(RunFailed(run, WorkerFault("work before its clip")))
            case Work(run, blocks):
                self._expect(self.runs[run] in self.held, f"{self.runs[run]} is worked with but not held")
                votes = tuple(Votes((block.samples, 0), 0, Geometry(0.0, 1.0, 1)) for block in blocks)
                self._answers.append(Voted(run, blocks, votes))

    def _expect(self, kept: bool, otherwise: str) -> None:
        if not kept:
            self.faults.append(otherwise)

    def kill(self) -> None:
        self.dead = True
        self._arrived.set()

    async def end(self) -> int:
        self.kill()
        return -9
