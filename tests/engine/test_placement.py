"""Which models are loaded where and when, held against simulated workers: nothing a run needs is ever taken from it."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.simulated import CLIP, SimulatedWorker, plan, source
from tests.engine.test_pool import Watch

from soundproof.engine.admission import Limits
from soundproof.engine.child import Child
from soundproof.engine.pool import Pool
from soundproof.engine.protocol import Source, Work
from soundproof.engine.run import Finished
from soundproof.errors import ModelUnavailable, QueueFull, WorkerFault, WorkerLost

A, B, C = source("a", 40), source("b", 40), source("c", 40)


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
            model_memory_bytes=budget,
        )
        pool.offer(offered)
        pool.start()
        try:
            async with asyncio.timeout(20):
                yield House(pool, watch, workers, faults)
        finally:
            await pool.stop()
    assert not faults


async def test_only_the_default_is_loaded_before_anyone_asks() -> None:
    async with house(A, B) as one:
        assert one.pool.obstacle == "the worker is loading its first model"
        await one.until(lambda: one.pool.obstacle is None)
        assert one.workers[0].loads == ["a"]
        await one.certify(B)
        assert one.workers[0].loads == ["a", "b"]


async def test_a_refused_default_leaves_readiness_to_the_next_model() -> None:
    async with house(A, B, refuses={"a"}) as one:
        await one.until(lambda: one.pool.obstacle is None)
        assert one.workers[0].loads == ["b"]
        with pytest.raises(ModelUnavailable, match="'a' cannot be served: it is broken"):
            await one.certify(A)
        await one.certify(B)


async def test_the_least_recently_used_model_makes_room_and_comes_back_on_demand() -> None:
    async with house(A, B, C) as one:
        for each in (A, B, A, C, A, B):
            await one.certify(each)
        assert one.workers[0].loads == ["a", "b", "c", "b"]
        assert one.watch.evictions == 2
        assert one.watch.most_held_bytes == 80


async def test_a_model_larger_than_the_budget_is_served_alone() -> None:
    huge = source("huge", 1000)
    async with house(A, huge) as one:
        await asyncio.gather(*(one.begin(each) for each in (A, huge, A, huge, A)))
        assert one.workers[0].loads == ["a", "huge"]  # each once, for all that wait
        assert one.watch.evictions == 1


async def test_runs_in_progress_keep_their_model_and_a_waiting_run_is_not_overtaken() -> None:
    """Memory for one model. B waits for the run of A that is begun; A's later runs wait for B."""
    async with house(A, B, budget=50) as one:
        await one.until(lambda: one.pool.obstacle is None)
        ended: list[str] = []
        first = one.begin(A, 2000)
        await one.until(lambda: one.watch.votes > 500)
        for name, each, n in [("b", B, 1000), ("a2", A, 300), ("a3", A, 300)]:
            one.begin(each, n).add_done_callback(lambda _, name=name: ended.append(name))  # type: ignore[misc]
        await one.until(lambda: one.workers[0].loads == ["a", "b"])
        assert first.done()
        await one.until(lambda: len(ended) == 3)
        assert ended[0] == "b"
        assert one.workers[0].loads == ["a", "b", "a"]


async def test_an_older_run_that_lost_its_worker_does_not_take_the_model_of_a_younger_one() -> None:
    async with house(A, B, budget=50, devices=2) as two:
        await two.until(lambda: [worker.loads for worker in two.workers] == [["a"], ["a"]])
        older = two.begin(B, 6000)
        await two.until(lambda: two.watch.votes > 500)
        younger = two.begin(A, 2000)
        await two.until(lambda: any(A.digest in worker.runs.values() for worker in two.workers))
        [holder] = [worker for worker in two.workers if B.digest in worker.held]
        holder.kill()
        await younger
        assert not older.done()
        await older


async def test_a_model_that_everyone_asks_for_does_not_starve_another_nor_the_other_way_round() -> None:
    async with house(A, B, budget=50) as one:

        async def crowd(each: Source) -> int:
            done = 0
            while len(served) < 6:
                await one.certify(each)
                done += 1
            return done

        async def rare() -> None:
            for _ in range(6):
                await one.certify(B)
                served.append(1)

        served: list[int] = []
        *crowds, _ = await asyncio.wait_for(asyncio.gather(*(crowd(A) for _ in range(4)), rare()), 30)
        assert all(crowds)  # the crowd went on meanwhile
        assert 6 <= one.workers[0].loads.count("b") <= 7


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


async def test_between_two_loads_work_goes_on() -> None:
    others = [source(f"other-{i}", 1) for i in range(5)]
    order: list[str] = []
    async with house(A, *others, before=lambda message: order.append(type(message).__name__)) as one:
        await one.until(lambda: one.pool.obstacle is None)
        busy = one.begin(A, 5000)
        await one.until(lambda: one.watch.votes > 500)
        order.clear()
        await asyncio.gather(*(one.begin(other) for other in others), busy)
    loads = [index for index, name in enumerate(order) if name == "Load"]
    assert len(loads) == 5
    assert all("Work" in order[this:following] for this, following in itertools.pairwise(loads))


async def test_one_worker_loads_what_is_rarely_asked_for_and_an_idle_one_helps_when_there_is_much() -> None:
    async with house(A, B, devices=2) as two:
        await two.until(lambda: [worker.loads for worker in two.workers] == [["a"], ["a"]])
        await two.certify(B, 100)
        assert sorted(len(worker.loads) for worker in two.workers) == [1, 2]
        await two.certify(B, 5000)
        assert [sorted(worker.loads) for worker in two.workers] == [["a", "b"], ["a", "b"]]


async def test_a_version_that_is_no_longer_offered_leaves_with_its_last_run() -> None:
    new = Source("a", "digest of the new a", A.folder, 40)
    async with house(A) as one:
        old_run = one.begin(A, 3000)
        await one.until(lambda: one.watch.votes > 500)
        one.pool.offer([new])
        await one.certify(new)
        assert not old_run.done()
        assert one.workers[0].held.keys() == {A.digest, new.digest}
        await old_run
        await one.until(lambda: one.workers[0].held.keys() == {new.digest})
        assert one.watch.evictions == 0


async def test_a_new_version_is_tried_beside_the_old_one_and_only_where_both_have_room() -> None:
    new = Source("a", "digest of the new a", A.folder, 40)
    broken = source("broken", 10)
    async with house(A, B, refuses={"broken"}) as one:
        await one.certify(B)
        assert await one.pool.try_out(new, A.digest)  # b gives way
        assert one.workers[0].held.keys() == {A.digest, new.digest}
        with pytest.raises(ModelUnavailable, match="it is broken"):
            await one.pool.try_out(broken, A.digest)
        assert not await one.pool.try_out(source("large", 90), A.digest)
        assert one.workers[0].held.keys() == {A.digest, new.digest}


async def test_a_new_version_is_tried_in_the_place_of_one_that_no_run_uses_and_waiting_runs_do_not_fail() -> None:
    new = Source("a", "digest of the new a", A.folder, 40)
    async with house(A, budget=50) as one:
        busy = one.begin(A, 2000)
        await one.until(lambda: one.watch.votes > 500)
        assert not await one.pool.try_out(new, A.digest, in_its_place=True)
        await busy
        assert not await one.pool.try_out(new, A.digest)
        trial = asyncio.create_task(one.pool.try_out(new, A.digest, in_its_place=True))
        [slot] = one.pool.slots
        await one.until(lambda: slot.shelf.loading == new)
        meanwhile = one.begin(A)
        assert await trial
        await meanwhile
        one.pool.offer([new])
        await one.certify(new)


async def test_the_old_version_comes_back_where_the_new_one_is_refused_in_its_place() -> None:
    broken = source("broken", 40)
    async with house(A, budget=50, refuses={"broken"}) as one:
        await one.certify(A)
        trial = asyncio.create_task(one.pool.try_out(broken, A.digest, in_its_place=True))
        [slot] = one.pool.slots
        await one.until(lambda: slot.shelf.loading == broken)
        meanwhile = one.begin(A)
        with pytest.raises(ModelUnavailable, match="it is broken"):
            await trial
        await meanwhile


async def test_a_run_that_is_begun_anew_is_let_in_though_its_place_was_given_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with house(A) as one:
        monkeypatch.setattr(one.pool._admission, "limits", Limits(runs=1, cost=1e12, audio_bytes=1 << 20))
        other = one.begin(A, 3000)
        await one.until(lambda: one.watch.votes > 500)
        with pytest.raises(QueueFull):
            await one.certify(A)
        await one.pool.certify(plan(A), A, CLIP, 4, begun_anew=True)
        await other


async def test_a_trial_that_ends_its_worker_is_refused() -> None:
    async with house(A, dies_loading={"b"}) as one:
        await one.certify(A)
        with pytest.raises(ModelUnavailable, match="ended before it was loaded"):
            await one.pool.try_out(B, A.digest)
        await one.certify(A)


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


async def test_a_trial_that_hangs_ends_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    async with house(A, hangs_loading={"b"}) as one:
        await one.certify(A)
        trial = asyncio.create_task(one.pool.try_out(B, A.digest))
        [slot] = one.pool.slots
        await one.until(lambda: slot.shelf.loading == B)
        monkeypatch.setattr(slot, "_heard_at", slot._heard_at - 61)
        one.pool.replace_stalled()
        with pytest.raises(ModelUnavailable, match="Loading it took longer than 60 s"):
            await trial
        await one.certify(A)


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


@st.composite
def stories(draw: st.DrawFn) -> tuple[int, int, list[int], list[tuple[str, int, int]]]:
    """Budget, devices, sizes of models, and what happens: a request, a client that leaves, a worker that dies, a reload
    that withdraws a model."""
    sizes = draw(st.lists(st.integers(1, 150), min_size=1, max_size=5))
    event = st.tuples(
        st.sampled_from(["ask", "ask", "ask", "leave", "die", "withdraw"]),
        st.integers(0, len(sizes) - 1),
        st.integers(10, 600),
    )
    return draw(st.integers(1, 200)), draw(st.integers(1, 3)), sizes, draw(st.lists(event, min_size=3, max_size=25))


@given(stories())
@settings(max_examples=150, deadline=None)
def test_whatever_happens_every_run_resolves_and_no_promise_to_a_worker_is_broken(
    story: tuple[int, int, list[int], list[tuple[str, int, int]]],
) -> None:
    asyncio.run(asyncio.wait_for(_live(*story), 20))


async def _live(budget: int, devices: int, sizes: list[int], events: list[tuple[str, int, int]]) -> None:
    sources = [source(f"model-{index}", size) for index, size in enumerate(sizes)]
    tasks: list[asyncio.Task[Finished]] = []
    left = 0
    async with house(*sources, budget=budget, devices=devices) as all_:
        for kind, index, n in events:
            match kind:
                case "ask":
                    tasks.append(all_.begin(sources[index], n))
                case "leave" if tasks:
                    left += not tasks[n % len(tasks)].done() and tasks[n % len(tasks)].cancel()
                case "die" if all_.workers:
                    all_.workers[-1 - n % min(devices, len(all_.workers))].kill()
                case "withdraw":
                    all_.pool.offer([each for each in sources if each is not sources[index]] or sources)
            for _ in range(n % 40):
                await asyncio.sleep(0)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for task, result in zip(tasks, results, strict=True):
            deaths = sum(kind == "die" for kind, _, _ in events)
            given_up = isinstance(result, WorkerLost | ModelUnavailable) and deaths >= 3
            assert given_up or task.cancelled() or isinstance(result, Finished)
        assert all_.watch.depth == 0
    assert not all_.faults
