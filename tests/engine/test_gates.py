"""Gates on the way through the coordinator: no vote beyond the next look, and lost workers change nothing."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engine.conftest import SAMPLES
from tests.engine.house import House, house
from tests.engine.running import Watch, plan_for, running, source_of
from tests.engine.simulated import CLIP, FACTS, SimulatedWorker, plan, source

from soundproof.audio.waveform import Waveform
from soundproof.engine.protocol import ClipPrepared, Source, ToWorker, Voted, Work
from soundproof.errors import ImpossiblePlan
from soundproof.smoothing.certification import Abstained, Certified, Geometry, Votes
from soundproof.smoothing.gated import Verdict, question_of
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import Plan

MODEL = source("model", 10)
# The simulated clip has norm 2, sigma is 0.5: a target of 12.04 dB is 1 sigma.
ONE_SIGMA_DB = 12.05


def gate(n: int = 5_000, n0: int = 1, target_snr_db: float = ONE_SIGMA_DB) -> Plan:
    return replace(plan(MODEL, n), n0=n0, target_snr_db=target_snr_db)


def looks_of(asked: Plan, norm: float = FACTS.norm) -> tuple[int, ...]:
    question = question_of(asked, norm)
    assert question is not None
    return question.gate.looks


def estimation(message: ToWorker) -> int:
    """Estimation votes asked for."""
    blocks = message.blocks if isinstance(message, Work) else ()
    return sum(block.samples for block in blocks if block.stage is Stage.ESTIMATION)


async def finished(here: House, asked: Plan) -> Certified | Abstained:
    return (await here.pool.certify(asked, MODEL, CLIP, 4)).outcome


@pytest.mark.parametrize("devices", [1, 3])
@pytest.mark.parametrize("n0", [1, 1_000])
async def test_unanimous_votes_end_a_gate_at_its_first_look_and_no_more_are_asked_for(devices: int, n0: int) -> None:
    handed: list[int] = []
    async with house(MODEL, devices=devices, before=lambda message: handed.append(estimation(message))) as here:
        outcome = await finished(here, gate(n0=n0))
        assert isinstance(outcome, Certified)
        assert outcome.tally.used == sum(handed) == looks_of(gate())[0]
        assert here.watch.votes == n0 + sum(handed)
        assert here.watch.depth == 0


@pytest.mark.parametrize("devices", [1, 2])
async def test_blocks_beyond_a_look_are_handed_out_only_when_all_votes_up_to_it_are_in(
    devices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sixth of the votes are errors, about as many as at the null: nothing is decided before the end."""
    looks, handed, answered = looks_of(gate()), 0, 0

    def sixth(self: SimulatedWorker, message: ToWorker) -> None:
        nonlocal handed, answered
        handed += estimation(message)
        ends = [look for look in looks if look > answered]
        assert handed <= ends[0], "blocks beyond the next look"
        if isinstance(message, Work):
            votes = tuple(
                Votes((block.samples, 0), 0, Geometry(0.0, 1.0, block.samples))
                if block.stage is Stage.SELECTION
                else Votes((block.samples - round(block.samples / 6.5), round(block.samples / 6.5)))
                for block in message.blocks
            )
            answered += estimation(message)
            self._answers.append(Voted(message.run, message.blocks, votes))
        else:
            taken(self, message)

    taken = SimulatedWorker._take
    monkeypatch.setattr(SimulatedWorker, "_take", sixth)
    async with house(MODEL, devices=devices) as here:
        outcome = await finished(here, gate())
    assert outcome.answer is not None
    assert outcome.answer.verdict in (Verdict.UNDECIDED, Verdict.REFUTED)
    assert len(outcome.answer.looks) > 3
    assert outcome.tally.used == handed == answered


async def test_many_gates_and_plain_runs_side_by_side_all_end() -> None:
    async with house(MODEL, devices=2) as here:
        plans = [gate(), plan(MODEL, 700), gate(n0=300), gate(n=100), plan(MODEL, 64)] * 5
        outcomes = await asyncio.gather(*(finished(here, each) for each in plans))
        assert [outcome.tally.used for outcome in outcomes] == [
            each.n if each.target_snr_db is None else looks_of(each)[0] for each in plans
        ]
        assert here.watch.depth == 0
        assert here.pool._admission.runs == 0


async def test_a_gate_that_nobody_could_pass_is_refused_before_any_vote(
    folder: Path, gate_source: Source, waveform: Waveform
) -> None:
    watch = Watch()
    async with running(gate_source, watch) as pool:
        hopeless = replace(plan_for(folder, n=1_000), target_snr_db=0.0)
        with pytest.raises(ImpossiblePlan, match=r"down to an SNR of 0 dB .* sigma of at least"):
            await asyncio.wait_for(pool.certify(hopeless, gate_source, waveform, SAMPLES), 60)
        assert (watch.votes, watch.depth) == (0, 0)
        plain = await pool.certify(replace(hopeless, target_snr_db=None), gate_source, waveform, SAMPLES)
        assert plain.outcome.answer is None


async def test_a_clip_prepared_twice_asks_its_question_once() -> None:
    """A second worker that joins prepares the clip as well."""
    async with house(MODEL) as here:
        task = asyncio.create_task(finished(here, gate(n0=5_000)))
        await here.until(lambda: bool(here.watch.votes))
        [run] = here.pool._runs.values()
        before = len(run.pending)
        here.pool._hear(here.pool.slots[0], ClipPrepared(run.id, FACTS, "again", question_of(run.plan, FACTS.norm)))
        assert len(run.pending) <= before
        assert (await task).tally.used == looks_of(gate())[0]


@pytest.fixture
def gate_source(folder: Path) -> Source:
    return source_of(folder)


# At sigma 0.5 this model errs on the clip with probability 0.37; at 52.76 dB, 0.29 sigmas, q0 is 0.386: a long gate.
LONG_TARGET_DB = 52.76


async def test_a_worker_killed_in_the_middle_of_a_gate_changes_nothing(
    folder: Path, gate_source: Source, waveform: Waveform
) -> None:
    asked, watch = replace(plan_for(folder, n=60_000), target_snr_db=LONG_TARGET_DB), Watch()
    async with running(gate_source, watch) as pool:
        undisturbed = await pool.certify(asked, gate_source, waveform, SAMPLES)
        assert undisturbed.outcome.answer is not None
        assert len(undisturbed.outcome.answer.looks) > 5
        before = watch.votes
        again = asyncio.create_task(pool.certify(asked, gate_source, waveform, SAMPLES))
        await watch.until(before + 1_500)
        pool.slots[0].kill()
        disturbed = await asyncio.wait_for(again, 120)
    assert watch.losses == 1
    assert disturbed.outcome == undisturbed.outcome
    assert disturbed.facts == undisturbed.facts


async def test_two_workers_share_a_gate_and_the_loss_of_one_does_not_change_the_outcome(
    folder: Path, gate_source: Source, waveform: Waveform
) -> None:
    asked, watch = replace(plan_for(folder, n=60_000), target_snr_db=LONG_TARGET_DB), Watch()
    async with running(gate_source, Watch()) as pool:
        one = await pool.certify(asked, gate_source, waveform, SAMPLES)
    async with running(gate_source, watch, devices=("cpu", "cpu")) as pool:
        both = asyncio.create_task(pool.certify(asked, gate_source, waveform, SAMPLES))
        while not all(slot.ready for slot in pool.slots):
            await asyncio.sleep(0.01)
        await watch.until(watch.votes + 500)
        pool.slots[0].kill()
        shared = await asyncio.wait_for(both, 120)
    assert watch.losses == 1
    assert shared.outcome == one.outcome
