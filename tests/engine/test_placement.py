"""Which models are loaded where and when, held against simulated workers: nothing a run needs is ever taken from it."""

import asyncio
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.house import house
from tests.engine.simulated import source

from soundproof.engine.protocol import Source
from soundproof.engine.run import Finished
from soundproof.errors import ModelUnavailable, WorkerLost

A, B, C = source("a", 40), source("b", 40), source("c", 40)


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
