"""A pool over real workers, and what tests ask of it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from soundproof.engine.admission import Limits
from soundproof.engine.child import WORKER
from soundproof.engine.pool import Pool
from soundproof.engine.protocol import Source
from soundproof.engine.slot import Share
from soundproof.nets.manifest import WEIGHTS, read_manifest
from soundproof.smoothing.plan import BoundName, ContractName, Plan, TransformName

FAULTY = Path(__file__).parent / "faulty_worker.py"


class Watch:
    """An observer that counts, and wakes whoever waits for a number of votes."""

    def __init__(self) -> None:
        self.votes = 0
        self.losses = 0
        self.depth = 0
        self.halvings = 0
        self.loads: list[str] = []
        self.evictions = 0
        self.most_held_bytes = 0
        self.heard = asyncio.Event()

    def samples(self, plan: Plan, stage: str, count: int) -> None:
        self.votes += count
        self.heard.set()

    def dealt(self, blocks: int, room: int) -> None:
        assert 0 < blocks <= room

    def answered(self, device: str, seconds: float) -> None:
        assert seconds >= 0

    def memory_halved(self, device: str) -> None:
        self.halvings += 1

    def worker_lost(self) -> None:
        self.losses += 1

    def admitted(self, runs: int) -> None:
        self.depth = runs

    def model_load(self, result: str, seconds: float) -> None:
        self.loads.append(result)
        self.heard.set()

    def models_evicted(self, count: int) -> None:
        self.evictions += count

    def models_held(self, count: int, size_bytes: int) -> None:
        self.most_held_bytes = max(self.most_held_bytes, size_bytes)

    async def until(self, votes: int) -> None:
        while self.votes < votes:
            self.heard.clear()
            await asyncio.wait_for(self.heard.wait(), 60)


def source_of(folder: Path) -> Source:
    manifest = read_manifest(folder)
    return Source(manifest.name, manifest.digest, folder, (folder / WEIGHTS).stat().st_size)


def plan_for(folder: Path, *, n: int = 20_000, sigma: float = 0.5) -> Plan:
    manifest = read_manifest(folder)
    return Plan(
        model=manifest.name,
        model_digest=manifest.digest,
        classes=3,
        contract=ContractName.WAVEFORM,
        transform=TransformName.FIXED,
        sigma=sigma,
        n0=100,
        n=n,
        alpha=0.001,
        bound=BoundName.CLOPPER_PEARSON,
        seed=7,
        clip_sha256="00",
        dimension=manifest.clip_samples,
    )


@asynccontextmanager
async def running(
    source: Source,
    watch: Watch,
    *others: Source,
    command: tuple[str, ...] = WORKER,
    runs: int = 8,
    devices: tuple[str, ...] = ("cpu",),
    memory_bytes: int = 1 << 31,
) -> AsyncIterator[Pool]:
    """A pool that offers `source`, the default, and `others`."""
    pool = Pool(
        devices=devices,
        limits=Limits(runs=runs, cost=1e12, audio_bytes=1 << 26),
        observer=watch,
        share=Share(model_memory_bytes=memory_bytes),
        worker_command=command,
    )
    pool.offer([source, *others])
    pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


def faulty(fault: str, *arguments: str) -> tuple[str, ...]:
    """The command of a worker with a fault."""
    return (sys.executable, str(FAULTY), fault, *arguments)
