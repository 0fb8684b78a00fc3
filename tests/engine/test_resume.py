"""A run that goes on from the votes of an earlier one: the same outcome, and no more work than was left."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from tests.engine.house import House, house
from tests.engine.simulated import CLIP, SimulatedWorker, plan, source
from tests.engine.test_gates import gate

from soundproof.audio.facts import ClipFacts
from soundproof.engine.journal import Earlier, VotedBlock
from soundproof.engine.protocol import ToWorker, Voted, Work
from soundproof.engine.run import Finished
from soundproof.smoothing.certification import Geometry, Votes
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import BLOCK_SAMPLES, Block, Plan

MODEL = source("model", 10)
SEVEN_BLOCKS = plan(MODEL, 7 * BLOCK_SAMPLES - 5)
LONG_GATE = gate(n=5_000)


@dataclass
class Kept:
    """A journal in memory."""

    begun_as: list[tuple[str, str]] = field(default_factory=list)
    votes: list[VotedBlock] = field(default_factory=list)
    messages: int = 0

    def begun(self, facts: ClipFacts, generator: str, backend: str) -> None:
        self.begun_as.append((generator, backend))

    def voted(self, votes: Sequence[VotedBlock]) -> None:
        assert self.begun_as, "votes before it was said what they are votes of"
        self.votes += votes
        self.messages += 1

    def earlier(self, backend: str = "simulated", votes: int | None = None) -> Earlier:
        return Earlier("none", backend, tuple(self.votes[:votes]))


def votes_of(block: Block) -> Votes:
    """Of each block its own: sums tell which were counted."""
    if block.stage is Stage.SELECTION:
        return Votes((block.samples, 0), 0, Geometry(0.1 * block.samples, 1.1 * block.samples, block.samples))
    errors = block.samples * (1 + block.index % 3) // 13
    return Votes((block.samples - errors, errors))


@pytest.fixture(autouse=True)
def _votes_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = SimulatedWorker._take

    def take(self: SimulatedWorker, message: ToWorker) -> None:
        if isinstance(message, Work):
            votes = tuple(votes_of(block) for block in message.blocks)
            self._answers.append(Voted(message.run, message.blocks, votes))
        else:
            taken(self, message)

    monkeypatch.setattr(SimulatedWorker, "_take", take)


async def run(asked: Plan, earlier: Earlier | None = None, devices: int = 1) -> tuple[Finished, Kept, int]:
    """What it came to, what was written down, and how many votes were drawn."""
    kept = Kept()
    async with house(MODEL, devices=devices) as here:
        finished = await here.pool.certify(asked, MODEL, CLIP, 4, journal=kept, earlier=earlier)
        await settled(here)
        return finished, kept, here.watch.votes


async def settled(here: House) -> None:
    await here.until(lambda: here.watch.depth == 0)


@pytest.mark.parametrize("asked", [SEVEN_BLOCKS, LONG_GATE], ids=["fixed", "gate"])
async def test_the_journal_has_every_vote_that_was_drawn(asked: Plan) -> None:
    finished, kept, drawn = await run(asked)
    assert set(kept.begun_as) == {("none", "simulated")}
    assert sum(votes.total for _, votes in kept.votes) == drawn == asked.n0 + finished.outcome.tally.used
    assert finished.drawn == drawn


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("asked", [SEVEN_BLOCKS, LONG_GATE], ids=["fixed", "gate"])
async def test_wherever_it_was_cut_it_comes_to_the_same(asked: Plan, devices: int) -> None:
    whole, kept, drawn = await run(asked)
    for cut in range(len(kept.votes) + 1):
        resumed, _, again = await run(asked, kept.earlier(votes=cut), devices)
        assert resumed.outcome == whole.outcome
        known = sum(votes.total for _, votes in kept.votes[:cut])
        # What a worker was given before it was known whether the votes count: two messages of a block for each device.
        assert drawn - known <= again <= drawn - known + 2 * devices * BLOCK_SAMPLES
        assert drawn - known <= resumed.drawn <= again  # what its speed is told from


@pytest.mark.parametrize("asked", [SEVEN_BLOCKS, LONG_GATE], ids=["fixed", "gate"])
@pytest.mark.parametrize("other", [{"backend": "another"}, {"generator": "another"}])
async def test_votes_of_another_backend_or_generator_are_not_counted(asked: Plan, other: dict[str, str]) -> None:
    whole, kept, drawn = await run(asked)
    wrong = tuple((block, Votes((0, block.samples))) for block, _ in kept.votes)
    resumed, _, again = await run(asked, replace(kept.earlier(), votes=wrong, **other))
    assert resumed.outcome == whole.outcome
    assert again == drawn


async def test_votes_that_do_not_fit_fail_their_run_and_no_other() -> None:
    broken = Earlier(
        "none", "simulated", tuple((block, Votes((1, 1))) for block in SEVEN_BLOCKS.blocks(Stage.ESTIMATION))
    )
    async with house(MODEL) as here:
        other = here.begin(MODEL)
        with pytest.raises(Exception, match="failed on this request"):
            await here.pool.certify(SEVEN_BLOCKS, MODEL, CLIP, 4, earlier=broken)
        assert (await asyncio.wait_for(other, 10)).outcome.tally.used == 300
