"""Several models in real workers: memory for one, and what goes wrong while another is loaded."""

import asyncio
from pathlib import Path

import pytest
from tests.engine.conftest import SAMPLES
from tests.engine.running import Watch, faulty, plan_for, running, source_of
from tests.model_folders import RMS_GAIN, random_linear, write_linear

from soundproof.audio.waveform import Waveform
from soundproof.engine.protocol import Source
from soundproof.errors import ModelUnavailable


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    models = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("first", "other")):
        write_linear(models / name, *random_linear(SAMPLES, classes=3, seed=seed), gain=RMS_GAIN)
    return models / "first", models / "other"


@pytest.fixture(scope="module")
def sources(folders: tuple[Path, Path]) -> tuple[Source, Source]:
    return source_of(folders[0]), source_of(folders[1])


async def test_models_that_take_turns_in_memory_get_the_votes_that_they_get_side_by_side(
    folders: tuple[Path, Path], sources: tuple[Source, Source], waveform: Waveform
) -> None:
    plans = [plan_for(folder, n=800) for folder in folders]
    side_by_side, in_turns = Watch(), Watch()
    async with running(sources[0], side_by_side, sources[1]) as pool:
        expected = await asyncio.gather(
            *(pool.certify(plan, source, waveform, SAMPLES) for plan, source in zip(plans, sources, strict=True))
        )
    assert side_by_side.loads == ["loaded"] * 2
    async with running(sources[0], in_turns, sources[1], memory_bytes=sources[0].size_bytes) as pool:
        for _ in range(2):
            for plan, source, alone in zip(plans, sources, expected, strict=True):
                finished = await pool.certify(plan, source, waveform, SAMPLES)
                assert finished.outcome == alone.outcome
    assert in_turns.loads == ["loaded"] * 4
    assert in_turns.evictions == 3
    assert in_turns.most_held_bytes == sources[0].size_bytes
    assert expected[0].outcome != expected[1].outcome


async def test_a_worker_killed_while_it_loads_is_replaced_and_both_models_runs_end_well(
    folders: tuple[Path, Path], sources: tuple[Source, Source], waveform: Waveform, tmp_path: Path
) -> None:
    watch = Watch()
    async with running(
        sources[0], watch, sources[1], command=faulty("dies-loading-once", str(tmp_path / "died"))
    ) as pool:
        long = asyncio.create_task(pool.certify(plan_for(folders[0], n=20_000), sources[0], waveform, SAMPLES))
        await watch.until(1_000)
        other = await asyncio.wait_for(pool.certify(plan_for(folders[1], n=500), sources[1], waveform, SAMPLES), 60)
        assert not long.done()
        first = await asyncio.wait_for(long, 120)
    assert watch.losses == 1
    assert sum(other.outcome.tally.estimation) == 500
    assert sum(first.outcome.tally.estimation) == 20_000


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("has-no-memory-for", "the memory of cpu does not hold it"), ("fails-on", "failed to load it: ValueError")],
)
async def test_a_fault_while_loading_fails_that_models_runs_only(
    folders: tuple[Path, Path], sources: tuple[Source, Source], waveform: Waveform, fault: str, reason: str
) -> None:
    watch = Watch()
    async with running(sources[0], watch, sources[1], command=faulty(fault, "other")) as pool:
        first = asyncio.create_task(pool.certify(plan_for(folders[0], n=1_000), sources[0], waveform, SAMPLES))
        with pytest.raises(ModelUnavailable, match=reason):
            await pool.certify(plan_for(folders[1], n=500), sources[1], waveform, SAMPLES)
        assert sum((await first).outcome.tally.estimation) == 1_000
    assert watch.losses == 0
    assert sorted(watch.loads) == ["loaded", "refused"]
