"""Models that refuse, hang, or end their worker: refused by themselves, while others go on; simulated workers."""

import asyncio

import pytest
from tests.engine.house import house
from tests.engine.simulated import source

from soundproof.engine.protocol import Work
from soundproof.errors import ModelUnavailable, WorkerFault, WorkerLost

A, B, C = source("a", 40), source("b", 40), source("c", 40)


async def test_a_model_that_cannot_be_loaded_fails_its_own_runs_and_nothing_else() -> None:
    async with house(A, B, refuses={"b"}) as one:
        beside = one.begin(A, 2000)
        waiting = [one.begin(B), one.begin(B)]
        for each in waiting:
            with pytest.raises(ModelUnavailable, match="'b' cannot be served"):
                await each
        await beside
        with pytest.raises(ModelUnavailable):  # refused at the door from now on
            await one.certify(B)
        assert one.watch.loads == ["loaded", "refused"]
        one.workers[0].refuses.clear()
        one.pool.offer([A, B])  # a reload: it is tried again
        await one.certify(B)


async def test_a_model_whose_loading_ends_workers_is_given_up_after_three_and_others_go_on() -> None:
    async with house(A, B, dies_loading={"b"}) as one:
        with pytest.raises(ModelUnavailable, match="ended 3 times while it loaded this model"):
            await one.certify(B)
        await one.certify(A)
        assert one.watch.losses == 3
        assert len(one.workers) == 4


async def test_a_run_under_way_outlives_the_worker_that_another_models_loading_ends() -> None:
    async with house(A, B, dies_loading={"b"}) as one:
        beside = one.begin(A, 20_000)
        await one.until(lambda: one.watch.votes > 500)
        with pytest.raises(ModelUnavailable):
            await one.certify(B)
        assert not beside.done()
        assert (await beside).outcome


async def test_loading_may_take_longer_than_working(monkeypatch: pytest.MonkeyPatch) -> None:
    large = source("large", 5_000_000_000)  # 60 s and 100 s more for its size
    async with house(A, large, budget=1 << 40) as one:
        await one.until(lambda: one.pool.obstacle is None)
        [slot] = one.pool.slots
        await one.certify(A)
        task = one.begin(large)
        await asyncio.sleep(0)
        assert [type(message).__name__ for message in slot.inflight] == ["Load"]
        monkeypatch.setattr(slot, "_heard_at", slot._heard_at - 150)
        assert not slot.stalled
        assert one.pool.obstacle  # though nothing can begin at once
        slot.inflight.appendleft(Work(99, ()))
        assert slot.stalled
        slot.inflight.popleft()
        monkeypatch.setattr(slot, "_heard_at", slot._heard_at - 11)
        assert slot.stalled
        monkeypatch.setattr(slot, "_heard_at", slot._heard_at + 161)
        await task


async def test_a_model_whose_loading_hangs_is_refused_at_once_and_tried_again_after_a_reload(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with house(A, B, hangs_loading={"b"}) as one:
        await one.certify(A)
        task = one.begin(B)
        [slot] = one.pool.slots
        await one.until(lambda: slot.shelf.loading == B)
        one.pool.replace_stalled()
        assert not one.workers[0].dead
        monkeypatch.setattr(slot, "_heard_at", slot._heard_at - 61)
        one.pool.replace_stalled()
        with pytest.raises(ModelUnavailable, match="'b' cannot be served: loading it took longer than 60 s"):
            await task
        await one.certify(A)
        with pytest.raises(ModelUnavailable):
            await one.certify(B)
        assert one.watch.losses == 1
        one.workers[-1].hangs_loading.clear()
        one.pool.exchange([A, B], A.digest)  # of another model
        with pytest.raises(ModelUnavailable):
            await one.certify(B)
        one.pool.offer([A, B])
        await one.certify(B)


async def test_a_model_that_ends_three_workers_while_voting_is_refused_and_others_go_on() -> None:
    async with house(A, B, dies_voting={"b"}) as one:
        with pytest.raises(WorkerLost):
            await one.certify(B)
        assert one.watch.losses == 3
        assert one.pool.standing.unavailable(B.digest) == "it ended 3 workers while voting"
        for _ in range(3):
            with pytest.raises(ModelUnavailable, match="'b' cannot be served: it ended 3 workers while voting"):
                await one.certify(B)
        await one.certify(A)
        assert one.watch.losses == 3
        one.workers[-1].dies_voting.clear()
        one.pool.offer([A, B])
        await one.certify(B)


async def test_losses_are_forgotten_when_a_run_of_the_model_has_finished() -> None:
    async with house(A) as one:
        for _ in range(4):
            run = one.begin(A, 2000)
            votes = one.watch.votes
            await one.until(lambda votes=votes: one.watch.votes > votes + 100)  # type: ignore[misc]
            one.workers[-1].kill()
            await run
        assert one.watch.losses == 4


async def test_a_worker_that_ends_idle_is_no_fault_of_the_run_that_it_answered_last() -> None:
    async with house(A, fails_voting={"a"}) as one:
        for _ in range(3):
            await one.until(lambda: one.pool.obstacle is None)
            with pytest.raises(WorkerFault):
                await one.certify(A)
            taken = len(one.workers)
            one.workers[-1].kill()
            await one.until(lambda taken=taken: len(one.workers) > taken)  # type: ignore[misc]
        one.workers[-1].fails_voting.clear()
        await one.certify(A)


async def test_a_model_that_ends_workers_is_refused_though_its_callers_leave() -> None:
    async with house(A, B) as one:
        for _ in range(3):
            taken = len(one.workers)
            await one.until(lambda: one.pool.obstacle is None)
            run = one.begin(B, 30_000)
            votes = one.watch.votes
            await one.until(lambda votes=votes: one.watch.votes > votes)  # type: ignore[misc]
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
            one.workers[-1].kill()
            await one.until(lambda taken=taken: len(one.workers) > taken)  # type: ignore[misc]
        with pytest.raises(ModelUnavailable, match="while voting"):
            await one.certify(B)
        await one.certify(A)
