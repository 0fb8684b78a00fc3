"""How the engine says that it stands, while its worker is held still."""

import asyncio

from tests.engine.house import house
from tests.engine.simulated import source

A = source("a", 1)


async def test_an_engine_without_work_is_at_rest() -> None:
    async with house(A) as engine:
        await engine.until(lambda: engine.pool.standing.holders(A.digest) != ())
        vitals = engine.pool.vitals
        assert (vitals.waiting, vitals.oldest_waiting_s) == (0, 0.0)
        [worker] = vitals.workers
        assert (worker.device, worker.up, worker.silent_s) == ("cpu:0", True, 0.0)


async def test_runs_wait_until_a_worker_is_given_something_of_them() -> None:
    async with house(A) as engine:
        await engine.until(lambda: engine.pool.standing.holders(A.digest) != ())
        begun = [engine.begin(A) for _ in range(4)]
        await engine.until(lambda: engine.watch.depth == 4)
        waiting = engine.pool.vitals
        assert waiting.waiting == 3  # the first has both messages that are sent ahead
        assert waiting.oldest_waiting_s > 0
        for run in begun:
            run.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
        assert (engine.pool.vitals.waiting, engine.pool.vitals.oldest_waiting_s) == (0, 0.0)
        assert engine.pool.vitals.workers[0].silent_s == 0.0


async def test_a_worker_that_is_not_there_is_not_up() -> None:
    async with house(A) as engine:
        assert [worker.up for worker in engine.pool.vitals.workers] == [False]
