"""A pool over simulated workers, and what tests ask of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from tests.engine.running import Watch
from tests.engine.simulated import CLIP, SimulatedWorker, plan

from soundproof.engine.admission import Limits
from soundproof.engine.child import Child
from soundproof.engine.pool import Pool
from soundproof.engine.protocol import Source
from soundproof.engine.run import Finished
from soundproof.engine.slot import Share


class House:
    """A pool whose workers are simulated; `workers`: all that were started, in order."""

    def __init__(self, pool: Pool, watch: Watch, workers: list[SimulatedWorker], faults: list[str]) -> None:
        self.pool = pool
        self.watch = watch
        self.workers = workers
        self.faults = faults

    async def certify(self, source: Source, n: int = 300) -> Finished:
        return await self.pool.certify(plan(source, n), source, CLIP, 4)

    def begin(self, source: Source, n: int = 300) -> "asyncio.Task[Finished]":
        return asyncio.create_task(self.certify(source, n))

    async def until(self, reached: Callable[[], bool]) -> None:
        for _ in range(10_000):
            if reached():
                return
            await asyncio.sleep(0)
        pytest.fail("not reached")


@asynccontextmanager
async def house(*offered: Source, budget: int = 100, devices: int = 1, **worker: object) -> AsyncIterator[House]:
    workers: list[SimulatedWorker] = []
    faults: list[str] = []
    watch = Watch()

    async def start(_: tuple[str, ...]) -> SimulatedWorker:
        workers.append(SimulatedWorker(budget, faults, **worker))  # type: ignore[arg-type]
        return workers[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Child, "start", start)
        pool = Pool(
            devices=tuple(f"cpu:{index}" for index in range(devices)),
            limits=Limits(runs=1000, cost=1e12, audio_bytes=1 << 20),
            observer=watch,
            share=Share(model_memory_bytes=budget),
        )
        pool.offer(offered)
        pool.start()
        try:
            async with asyncio.timeout(20):
                yield House(pool, watch, workers, faults)
        finally:
            await pool.stop()
    assert not faults
