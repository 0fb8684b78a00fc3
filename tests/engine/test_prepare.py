"""A clip that is only prepared: its facts, and nothing left behind."""

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.engine.house import house
from tests.engine.running import Watch, plan_for, running, source_of
from tests.engine.simulated import CLIP, FACTS, plan, source

from soundproof.audio.waveform import Waveform
from soundproof.errors import ModelUnavailable, SilentAudio


async def test_the_facts_are_those_of_a_certification(folder: Path, waveform: Waveform) -> None:
    silence = Waveform(np.zeros((1, 400), np.float32), 16_000)
    watch, source, plan = Watch(), source_of(folder), plan_for(folder, n=200)
    async with running(source, watch) as pool:
        finished = await pool.certify(plan, source, waveform, plan.dimension)
        facts = await pool.prepare(plan, source, waveform, plan.dimension)
        assert facts == finished.facts
        gate = replace(plan, target_snr_db=199.0)
        assert await pool.prepare(gate, source, waveform, plan.dimension) == facts
        assert watch.depth == 0
        with pytest.raises(SilentAudio):
            await pool.prepare(replace(plan, clip_sha256="11"), source, silence, plan.dimension)
        again = await pool.certify(plan, source, waveform, plan.dimension)
        assert again.outcome == finished.outcome


async def test_no_vote_but_one_is_asked_for_and_the_clip_is_forgotten() -> None:
    model = source("a", 10)
    async with house(model) as at_work:
        many = replace(plan(model, 100_000), n0=1000)
        facts = await at_work.pool.prepare(many, model, CLIP, 4)
        assert facts == FACTS
        assert at_work.watch.depth == 0
        await at_work.until(lambda: not at_work.workers[0].runs)
        assert at_work.watch.votes <= 1


async def test_a_model_that_is_refused_and_a_caller_that_leaves_free_the_place() -> None:
    model = source("a", 10)
    async with house(model, refuses={"a"}) as at_work:
        with pytest.raises(ModelUnavailable):
            await at_work.pool.prepare(plan(model), model, CLIP, 4)
        assert at_work.watch.depth == 0
    async with house(model) as at_work:
        leaving = asyncio.create_task(at_work.pool.prepare(plan(model), model, CLIP, 4))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert at_work.watch.depth == 0
