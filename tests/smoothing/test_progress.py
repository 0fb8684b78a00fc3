"""What may be told of a certification while its votes come in."""

from dataclasses import replace

import pytest
from tests.smoothing.plans import plan_with

from soundproof.smoothing.certification import Votes
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import Block, NoiseName, Plan
from soundproof.smoothing.progress import Progress, Running
from soundproof.stats.anytime import running_error_bound
from soundproof.stats.radius import radius

PLAN = plan_with(n0=40, n=300, block_samples=100)
SELECTION = PLAN.blocks(Stage.SELECTION)[0]
FIRST, SECOND, THIRD = PLAN.blocks(Stage.ESTIMATION)


def votes(block: Block, errors: int = 0, invalid: int = 0) -> Votes:
    return Votes((errors, block.samples - errors - invalid, 0), invalid)


def after(plan: Plan, *given: tuple[Block, Votes]) -> Progress:
    running = Running(plan)
    for block, found in given:
        running.record(block, found)
    return running.progress


def test_nothing_is_claimed_before_selection_and_a_vote_are_in() -> None:
    assert after(PLAN) == Progress(0, 340)
    assert after(PLAN, (FIRST, votes(FIRST))) == Progress(100, 340)
    assert after(PLAN, (SELECTION, votes(SELECTION))) == Progress(40, 340, candidate=1)


@pytest.mark.parametrize(("errors", "invalid"), [(0, 0), (3, 0), (0, 3)])
def test_the_bound_is_the_one_that_holds_at_every_number_of_votes(errors: int, invalid: int) -> None:
    """An invalid vote is an error."""
    found = after(PLAN, (SELECTION, votes(SELECTION)), (FIRST, votes(FIRST, errors, invalid)), (SECOND, votes(SECOND)))
    error_upper = running_error_bound(200 - errors - invalid, 200, PLAN.alpha)
    assert found.drawn == 240
    assert found.p_a_lower == pytest.approx(1 - error_upper, abs=1e-9)
    assert found.p_a_lower is not None
    assert found.p_a_lower < 1 - error_upper
    assert found.radius == radius(PLAN.sigma, error_upper)


def test_on_a_lattice_the_bound_gives_up_its_slack() -> None:
    plan = replace(PLAN, noise=NoiseName.LATTICE)
    given = (SELECTION, votes(SELECTION)), (FIRST, votes(FIRST, 3))
    found, plain = after(plan, *given), after(PLAN, *given)
    assert found.radius is not None
    assert plain.radius is not None
    assert found.radius < plain.radius - plan.slack.distance
    assert found.p_a_lower is not None
    assert plain.p_a_lower is not None
    assert found.p_a_lower < plain.p_a_lower - plan.slack.error


def test_a_block_counts_once_those_before_it_are_in() -> None:
    """Else the order in which workers answer could favour some votes."""
    missing = after(PLAN, (SELECTION, votes(SELECTION)), (THIRD, votes(THIRD, 90)), (FIRST, votes(FIRST)))
    alone = after(PLAN, (SELECTION, votes(SELECTION)), (FIRST, votes(FIRST)))
    assert missing.drawn == 240
    assert (missing.p_a_lower, missing.radius) == (alone.p_a_lower, alone.radius)
    complete = after(
        PLAN,
        (SELECTION, votes(SELECTION)),
        (THIRD, votes(THIRD, 90)),
        (FIRST, votes(FIRST)),
        (SECOND, votes(SECOND)),
    )
    assert complete.p_a_lower is not None
    assert alone.p_a_lower is not None
    assert complete.p_a_lower < alone.p_a_lower


def test_a_block_that_comes_twice_counts_once() -> None:
    given = (SELECTION, votes(SELECTION)), (FIRST, votes(FIRST, 2))
    assert after(PLAN, *given, *given) == after(PLAN, *given)


def test_no_radius_is_told_where_the_votes_show_none() -> None:
    found = after(PLAN, (SELECTION, votes(SELECTION)), (FIRST, votes(FIRST, 60)))
    assert found.candidate == 1
    assert found.radius is None
    assert found.p_a_lower is not None
    assert found.p_a_lower < 0.5


def test_of_a_gate_only_the_votes_are_counted() -> None:
    gate = replace(PLAN, target_snr_db=40.0)
    block = Block(Stage.ESTIMATION, 0, 49)
    assert after(gate, (SELECTION, votes(SELECTION)), (block, votes(block))) == Progress(89, 340, candidate=1)
