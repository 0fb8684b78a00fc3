"""The coordinator and real worker processes: lost workers, lost clients, fair turns, scarce memory."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.engine.conftest import SAMPLES
from tests.engine.running import Watch, faulty, plan_for, running, source_of
from tests.model_folders import RMS_GAIN, random_linear, write_linear

from soundproof.audio.waveform import Waveform
from soundproof.engine.protocol import Source
from soundproof.engine.run import Run
from soundproof.errors import DeviceMemoryExhausted, ModelUnavailable, QueueFull, SilentAudio, WorkerFault, WorkerLost
from soundproof.nets.manifest import WEIGHTS


@pytest.fixture
def source(folder: Path) -> Source:
    return source_of(folder)


async def test_a_worker_killed_in_the_middle_is_replaced_and_the_outcome_is_the_same(
    folder: Path, source: Source, waveform: Waveform
) -> None:
    plan, watch = plan_for(folder), Watch()
    async with running(source, watch) as pool:
        undisturbed = await pool.certify(plan, source, waveform, SAMPLES)
        before = watch.votes
        again = asyncio.create_task(pool.certify(plan, source, waveform, SAMPLES))
        await watch.until(before + 5_000)
        first_worker = pool.slots[0].pid
        assert first_worker is not None
        os.kill(first_worker, signal.SIGKILL)
        disturbed = await asyncio.wait_for(again, 120)
        assert pool.slots[0].pid != first_worker
    assert watch.losses == 1
    assert disturbed.outcome == undisturbed.outcome
    assert disturbed.facts == undisturbed.facts


async def test_two_workers_share_a_run_and_the_loss_of_one_does_not_change_the_outcome(
    folder: Path, source: Source, waveform: Waveform
) -> None:
    plan, watch = plan_for(folder, n=40_000), Watch()
    async with running(source, Watch()) as pool:
        one = await pool.certify(plan, source, waveform, SAMPLES)
    async with running(source, watch, devices=("cpu", "cpu")) as pool:
        both = asyncio.create_task(pool.certify(plan, source, waveform, SAMPLES))
        while not all(slot.ready for slot in pool.slots):
            await asyncio.sleep(0.01)
        await watch.until(watch.votes + 1_000)
        assert all(slot.inflight for slot in pool.slots)
        pool.slots[0].kill()
        shared = await asyncio.wait_for(both, 120)
    assert watch.losses == 1
    assert shared.outcome == one.outcome


async def test_a_caller_that_leaves_frees_its_place_and_no_more_votes_are_drawn_for_it(
    folder: Path, source: Source, waveform: Waveform
) -> None:
    watch = Watch()
    async with running(source, watch) as pool:
        abandoned = asyncio.create_task(pool.certify(plan_for(folder, n=200_000), source, waveform, SAMPLES))
        await watch.until(1_000)
        abandoned.cancel()
        with pytest.raises(asyncio.CancelledError):
            await abandoned
        assert watch.depth == 0
        drawn = watch.votes
        small = await pool.certify(plan_for(folder, n=1_000), source, waveform, SAMPLES)
        assert sum(small.outcome.tally.estimation) == 1_000
        assert watch.votes == drawn + 1_100


async def test_a_short_run_is_not_kept_waiting_by_a_long_one(folder: Path, source: Source, waveform: Waveform) -> None:
    watch = Watch()
    async with running(source, watch) as pool:
        long = asyncio.create_task(pool.certify(plan_for(folder, n=300_000), source, waveform, SAMPLES))
        await watch.until(1_000)
        before = watch.votes
        await pool.certify(plan_for(folder, n=2_000), source, waveform, SAMPLES)
        # Turns alternate: about as many votes went to the long run as to the short one meanwhile.
        assert watch.votes - before < 3 * 2_100
        long.cancel()


async def test_a_full_queue_refuses_with_the_time_to_come_back(
    folder: Path, source: Source, waveform: Waveform
) -> None:
    async with running(source, Watch(), runs=1) as pool:
        first = asyncio.create_task(pool.certify(plan_for(folder, n=100_000), source, waveform, SAMPLES))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull) as refused:
            await pool.certify(plan_for(folder), source, waveform, SAMPLES)
        assert refused.value.retry_after_s >= 1
        first.cancel()


async def test_silence_fails_its_own_run_only(folder: Path, source: Source, waveform: Waveform) -> None:
    async with running(source, Watch()) as pool:
        silent = Waveform(np.zeros((1, SAMPLES), np.float32), 16_000)
        bad = asyncio.create_task(pool.certify(plan_for(folder), source, silent, SAMPLES))
        good = asyncio.create_task(pool.certify(plan_for(folder, n=1_000), source, waveform, SAMPLES))
        with pytest.raises(SilentAudio):
            await bad
        assert sum((await good).outcome.tally.estimation) == 1_000


async def test_a_refused_model_fails_its_requests_with_the_reason(waveform: Waveform, tmp_path: Path) -> None:
    broken = tmp_path / "linear"
    write_linear(broken, *random_linear(SAMPLES, classes=3), gain=RMS_GAIN)
    plan, source = plan_for(broken), source_of(broken)
    (broken / WEIGHTS).write_bytes(b"\0" * 64)
    async with running(source, Watch()) as pool:
        with pytest.raises(ModelUnavailable, match="digest"):
            await pool.certify(plan, source, waveform, SAMPLES)
        assert pool.obstacle is not None
        assert "digest" in pool.obstacle


async def test_a_model_changed_on_disk_is_never_certified_under_the_old_name(
    waveform: Waveform, tmp_path: Path
) -> None:
    changing = tmp_path / "linear"
    write_linear(changing, *random_linear(SAMPLES, classes=3), gain=RMS_GAIN)
    old, source = plan_for(changing, n=500), source_of(changing)
    async with running(source, Watch()) as pool:
        await pool.certify(old, source, waveform, SAMPLES)
        write_linear(changing, *random_linear(SAMPLES, classes=3, seed=1), gain=RMS_GAIN)
        first_worker = pool.slots[0].pid
        pool.slots[0].kill()
        with pytest.raises(ModelUnavailable, match="no longer the one"):
            await asyncio.wait_for(pool.certify(old, source, waveform, SAMPLES), 60)
        assert pool.slots[0].pid != first_worker


@pytest.mark.parametrize(
    "command",
    [(sys.executable, "-c", "raise SystemExit(1)"), ("/no/such/worker",)],
    ids=["ends at once", "cannot be run"],
)
async def test_workers_that_cannot_start_fail_what_waits_and_refuse_the_rest(
    folder: Path, source: Source, waveform: Waveform, command: tuple[str, ...]
) -> None:
    async with running(source, Watch(), command=command) as pool:
        waiting = asyncio.create_task(pool.certify(plan_for(folder), source, waveform, SAMPLES))
        with pytest.raises(ModelUnavailable, match="before it was ready"):
            await asyncio.wait_for(waiting, 60)
        with pytest.raises(ModelUnavailable):
            await pool.certify(plan_for(folder), source, waveform, SAMPLES)
        assert pool.obstacle is not None
        assert "before it was ready" in pool.obstacle


async def test_a_fault_of_the_coordinator_fails_the_run_and_nothing_else(
    folder: Path, source: Source, waveform: Waveform, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch()
    async with running(source, watch) as pool:
        with monkeypatch.context() as patched:
            patched.setattr(Run, "record", lambda *_: 1 / 0)
            with pytest.raises(WorkerFault):
                await asyncio.wait_for(pool.certify(plan_for(folder), source, waveform, SAMPLES), 60)
        small = await asyncio.wait_for(pool.certify(plan_for(folder, n=500), source, waveform, SAMPLES), 60)
    assert sum(small.outcome.tally.estimation) == 500
    assert watch.losses == 0


async def test_scarce_memory_halves_the_chunk_and_the_outcome_is_the_same(
    folder: Path, source: Source, waveform: Waveform
) -> None:
    plan = plan_for(folder, n=2_000)
    async with running(source, Watch()) as pool:
        roomy = await pool.certify(plan, source, waveform, SAMPLES)
    watch = Watch()
    async with running(source, watch, command=faulty("holds-at-most", "4")) as pool:
        scarce = await pool.certify(plan, source, waveform, SAMPLES)
    assert scarce.outcome == roomy.outcome
    assert watch.losses == 0
    assert watch.halvings > 0


async def test_memory_that_holds_nothing_restarts_the_worker_which_then_goes_on(
    folder: Path, source: Source, waveform: Waveform, tmp_path: Path
) -> None:
    plan, watch = plan_for(folder, n=2_000), Watch()
    async with running(source, watch, command=faulty("first-life-holds-nothing", str(tmp_path / "lived"))) as pool:
        finished = await asyncio.wait_for(pool.certify(plan, source, waveform, SAMPLES), 120)
    assert sum(finished.outcome.tally.estimation) == 2_000
    assert watch.losses == 1


async def test_memory_that_never_holds_anything_fails_the_run_after_three_workers(
    folder: Path, source: Source, waveform: Waveform
) -> None:
    watch = Watch()
    async with running(source, watch, command=faulty("holds-at-most", "0")) as pool:
        with pytest.raises(DeviceMemoryExhausted):
            await asyncio.wait_for(pool.certify(plan_for(folder, n=2_000), source, waveform, SAMPLES), 120)
    assert watch.losses == 3


async def test_a_run_that_keeps_ending_its_worker_is_given_up_and_other_models_go_on(
    folder: Path, source: Source, waveform: Waveform, tmp_path: Path
) -> None:
    write_linear(tmp_path / "other", *random_linear(SAMPLES, classes=3, seed=1), gain=RMS_GAIN)
    other = source_of(tmp_path / "other")
    async with running(source, Watch(), other, command=faulty("dies-at-sigma", "0.25")) as pool:
        poison = asyncio.create_task(pool.certify(plan_for(folder, n=2_000, sigma=0.25), source, waveform, SAMPLES))
        with pytest.raises(WorkerLost):
            await asyncio.wait_for(poison, 120)
        with pytest.raises(ModelUnavailable, match="ended 3 workers while voting"):
            await pool.certify(plan_for(folder, n=2_000), source, waveform, SAMPLES)
        good = await asyncio.wait_for(
            pool.certify(plan_for(tmp_path / "other", n=2_000), other, waveform, SAMPLES), 120
        )
    assert sum(good.outcome.tally.estimation) == 2_000
