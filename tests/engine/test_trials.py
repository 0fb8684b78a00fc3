"""New versions of a model, tried before they take over, and old ones that leave; over simulated workers."""

import asyncio

import pytest
from tests.engine.house import house
from tests.engine.simulated import CLIP, plan, source

from soundproof.engine.admission import Limits
from soundproof.engine.protocol import Source
from soundproof.errors import ModelUnavailable, QueueFull

A, B, C = source("a", 40), source("b", 40), source("c", 40)


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
