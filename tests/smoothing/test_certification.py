"""The state machine: votes in any order, an outcome only at the end, selection and estimation kept apart."""

import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.known_answers import FIXED_BUDGET, MULTICLASS, VECTORS
from tests.smoothing.plans import plan_with

from soundproof.errors import ImpossiblePlan, InvalidPlan
from soundproof.smoothing.certification import Abstained, Certification, Certified, Geometry, Tally, Votes, decide
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import Block, BoundName, NoiseName, Plan
from soundproof.stats.bounds import error_upper_bound, share_upper_bound, smallest_n
from soundproof.stats.radius import multiclass_radius, radius

unhurried = settings(deadline=None, derandomize=True)
# Those that a plan lets through to be decided.
PLANNABLE = [case for case in FIXED_BUDGET if case[0] >= smallest_n(case[2])]


def tally(selection: Sequence[int], estimation: Sequence[int], invalid: int = 0) -> Tally:
    return Tally(
        selection=tuple(selection), estimation=tuple(estimation), invalid=invalid, geometry=Geometry(0.0, 1.0, 1)
    )


def drawn_votes(plan: Plan, shares: Sequence[float], seed: int = 0) -> dict[Block, Votes]:
    """Votes for all blocks of a plan: `shares` of the classes, the rest invalid; geometry for the selection."""
    generator = random.Random(seed)  # noqa: S311
    votes = {}
    for block in Certification(plan).wanted():
        fallen = generator.choices(range(plan.classes + 1), [*shares, 1 - sum(shares)], k=block.samples)
        counts = [fallen.count(c) for c in range(plan.classes + 1)]
        measured = [generator.random() for _ in range(block.samples if block.stage is Stage.SELECTION else 0)]
        geometry = Geometry(sum(measured) / 7, sum(measured), len(measured))
        votes[block] = Votes(tuple(counts[:-1]), counts[-1], geometry)
    return votes


def recorded(plan: Plan, votes: dict[Block, Votes], order: Sequence[Block]) -> Certification:
    certification = Certification(plan)
    for block in order:
        certification.record(block, votes[block])
    return certification


@pytest.mark.parametrize(("n", "k", "alpha", "expected"), PLANNABLE)
@pytest.mark.parametrize("sigma", [0.0025, 1.0])
def test_known_answers(n: int, k: int, alpha: float, expected: float | None, sigma: float) -> None:
    outcome = decide(plan_with(n=n, alpha=alpha, sigma=sigma), tally((0, 100, 0), (n - k, k, 0)))
    if expected is None:
        assert isinstance(outcome, Abstained)
        assert outcome.candidate == 1
        assert outcome.p_a_lower is not None
        assert outcome.p_a_lower < 0.5
    else:
        assert isinstance(outcome, Certified)
        assert outcome.prediction == 1
        assert expected - 1e-10 < outcome.radius / sigma <= expected
        assert outcome.saturated is (k == n)


@pytest.mark.parametrize(("n", "top", "runner_up", "alpha", "expected"), MULTICLASS)
def test_known_answers_of_the_multiclass_bound(
    n: int, top: int, runner_up: int, alpha: float, expected: float | None
) -> None:
    others = [runner_up] * ((n - top) // runner_up)
    estimation = [*others[:1], top, *others[1:]]
    plan = plan_with(n=n, alpha=alpha, sigma=1.0, bound=BoundName.MULTICLASS, classes=len(estimation))
    outcome = decide(plan, tally([0, 100, *(0 for _ in others[1:])], estimation))
    if expected is None:
        assert isinstance(outcome, Abstained)
    else:
        assert isinstance(outcome, Certified)
        assert expected - 1e-10 < outcome.radius <= expected


def test_nine_votes_are_refused_before_any_is_drawn() -> None:
    with pytest.raises(ImpossiblePlan, match="at least 10"):
        plan_with(n=9)


@pytest.mark.skipif(not VECTORS.is_file(), reason=f"the reference vectors are not at {VECTORS}")
def test_the_known_answers_are_those_of_the_reference() -> None:
    reference: dict[str, Any] = json.loads(VECTORS.read_text())
    fixed = {(v["n"], v["k"], v["alpha"], v["radius_over_sigma"]) for v in reference["fixed_budget"]}
    assert fixed == set(FIXED_BUDGET)
    multiclass = {(v["n"], v["n_a"], v["n_b"], v["alpha"], v["radius_over_sigma"]) for v in reference["multiclass"]}
    assert multiclass == set(MULTICLASS)


def test_all_blocks_are_wanted_at_first_selection_before_estimation() -> None:
    plan = plan_with(n0=200, n=300)
    assert Certification(plan).wanted() == plan.blocks(Stage.SELECTION) + plan.blocks(Stage.ESTIMATION)


@unhurried
@given(seed=st.integers(0, 2**32), repeats=st.integers(0, 20))
def test_blocks_in_any_order_and_twice_give_the_same_outcome(seed: int, repeats: int) -> None:
    plan = plan_with(n0=500, n=1_000, block_samples=64)
    votes = drawn_votes(plan, (0.1, 0.8, 0.05))
    in_order = recorded(plan, votes, list(votes)).outcome()
    generator = random.Random(seed)  # noqa: S311
    shuffled = generator.sample(list(votes), len(votes))
    for _ in range(repeats):
        shuffled.insert(generator.randrange(len(shuffled)), generator.choice(list(votes)))
    assert recorded(plan, votes, shuffled).outcome() == in_order
    assert isinstance(in_order, Certified)


def test_no_outcome_before_all_votes_are_in() -> None:
    plan = plan_with(n0=200, n=300)
    votes = drawn_votes(plan, (0.0, 1.0, 0.0))
    for missing in votes:
        certification = recorded(plan, votes, [block for block in votes if block != missing])
        assert certification.wanted() == (missing,)
        with pytest.raises(RuntimeError, match="no outcome before all its votes are in"):
            certification.outcome()
        certification.record(missing, votes[missing])
        assert certification.wanted() == ()
        assert isinstance(certification.outcome(), Certified)


def test_a_block_counts_once_even_when_its_second_votes_differ() -> None:
    plan = plan_with(n0=100, n=100)
    votes = drawn_votes(plan, (0.0, 1.0, 0.0))
    certification = recorded(plan, votes, list(votes))
    certification.record(Block(Stage.ESTIMATION, 0, 100), Votes((100, 0, 0)))
    assert certification.outcome().tally.estimation == (0, 100, 0)


@pytest.mark.parametrize(
    "block",
    [
        Block(Stage.ESTIMATION, 2, 128),
        Block(Stage.ESTIMATION, -1, 128),
        Block(Stage.ESTIMATION, 0, 64),
        Block(Stage.ESTIMATION, 1, 128),  # the last one holds 72
        Block(Stage.SELECTION, 0, 128),
        Block(Stage.TRAINING, 0, 128),
    ],
)
def test_a_block_of_another_plan_is_refused(block: Block) -> None:
    certification = Certification(plan_with(n0=100, n=200))
    with pytest.raises(InvalidPlan, match="is not of this plan"):
        certification.record(block, Votes((block.samples, 0, 0)))
    assert len(certification.wanted()) == 3


@pytest.mark.parametrize(
    "votes",
    [
        Votes((128, 0)),
        Votes((127, 0, 0)),
        Votes((127, 0, 0), invalid=2),
        Votes((128, 0, 0), invalid=1),
        Votes((128, 0, 0, 0)),
        Votes((0, 0, 0)),
        Votes(()),
        Votes((129, -1, 0)),
        Votes((129, 0, 0), invalid=-1),
    ],
)
def test_votes_that_do_not_fit_their_block_are_refused(votes: Votes) -> None:
    certification = Certification(plan_with(n0=100, n=200))
    block = Block(Stage.ESTIMATION, 0, 128)
    with pytest.raises(InvalidPlan, match="do not fit"):
        certification.record(block, votes)
    assert block in certification.wanted()


def test_the_tally_adds_up_every_block_of_its_stage() -> None:
    plan = plan_with(n0=300, n=1_000)
    votes = drawn_votes(plan, (0.1, 0.7, 0.1))
    found = recorded(plan, votes, list(votes)).outcome().tally

    def summed(stage: Stage) -> list[Votes]:
        return [v for block, v in votes.items() if block.stage is stage]

    assert found.selection == tuple(sum(v.counts[c] for v in summed(Stage.SELECTION)) for c in range(3))
    assert found.estimation == tuple(sum(v.counts[c] for v in summed(Stage.ESTIMATION)) for c in range(3))
    assert found.invalid == sum(v.invalid for v in summed(Stage.ESTIMATION)) > 0
    assert sum(found.estimation) + found.invalid == 1_000
    assert found.geometry.samples == 300
    assert found.geometry.effective_norm_ratio == pytest.approx(0.5, abs=0.15)
    assert found.geometry.d_geom == pytest.approx(found.geometry.effective_norm_ratio / 7)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [((50, 50, 0), 0), ((0, 50, 50), 1), ((33, 33, 33), 0), ((33, 33, 34), 2), ((0, 0, 1), 2)],
)
def test_ties_of_the_selection_go_to_the_lowest_index(selection: tuple[int, ...], expected: int) -> None:
    estimation = [10, 10, 10]
    estimation[expected] = 980
    outcome = decide(plan_with(), tally(selection, estimation))
    assert isinstance(outcome, Certified)
    assert outcome.prediction == expected


def test_selection_votes_are_never_counted_in_the_bound() -> None:
    unanimous, none = (decide(plan_with(n=100), tally(s, (0, 60, 40))) for s in ((0, 100, 0), (49, 51, 0)))
    assert type(unanimous) is type(none) is Abstained
    assert unanimous.p_a_lower == none.p_a_lower


def test_a_selected_class_that_loses_the_estimation_abstains() -> None:
    """Another class has all the votes, but it was not the one selected: choosing it now would use its votes twice."""
    outcome = decide(plan_with(), tally((40, 35, 25), (0, 1_000, 0)))
    assert isinstance(outcome, Abstained)
    assert outcome.candidate == 0
    assert outcome.p_a_lower == 0.0
    assert outcome.reason == "0 of 1000 votes for the selected class do not show that it leads"


def test_invalid_votes_count_against_the_class() -> None:
    plan = plan_with(sigma=1.0)
    outcome = decide(plan, tally((0, 100, 0), (0, 900, 0), invalid=100))
    assert isinstance(outcome, Certified)
    assert outcome.radius == radius(1.0, error_upper_bound(900, 1_000, 0.001))
    assert not outcome.saturated
    assert isinstance(decide(plan, tally((0, 100, 0), (0, 500, 0), invalid=500)), Abstained)


def test_under_the_multiclass_bound_invalid_votes_are_a_competitor() -> None:
    plan = plan_with(sigma=1.0, bound=BoundName.MULTICLASS)
    outcome = decide(plan, tally((0, 100, 0), (50, 600, 50), invalid=300))
    assert isinstance(outcome, Certified)
    top, runner_up = error_upper_bound(600, 1_000, 0.0005), share_upper_bound(300, 1_000, 0.0005)
    assert outcome.radius == multiclass_radius(1.0, top, runner_up)


def test_the_multiclass_bound_certifies_a_class_without_a_majority() -> None:
    counts = tally((0, 100, 0), (3_000, 4_000, 3_000))
    assert isinstance(decide(plan_with(n=10_000), counts), Abstained)
    outcome = decide(plan_with(n=10_000, bound=BoundName.MULTICLASS), counts)
    assert isinstance(outcome, Certified)
    assert outcome.p_a_lower < 0.5


def test_no_valid_selection_vote_proposes_no_class() -> None:
    outcome = decide(plan_with(), tally((0, 0, 0), (0, 1_000, 0)))
    assert isinstance(outcome, Abstained)
    assert outcome.candidate is None
    assert outcome.p_a_lower is None


@pytest.mark.parametrize(("k", "others"), [(1_000, 0), (990, 10), (700, 300)])
def test_on_a_lattice_bounds_and_radius_give_up_their_slack(k: int, others: int) -> None:
    counts = tally((0, 100, 0), (others, k, 0))
    for bound in BoundName:
        plan = plan_with(bound=bound, noise=NoiseName.LATTICE)
        outcome = decide(plan, counts)
        assert isinstance(outcome, Certified)
        share = plan.bound_alpha
        top = error_upper_bound(k, 1_000, share) + plan.slack.error
        runner_up = share_upper_bound(others, 1_000, share) + plan.slack.error
        expected = multiclass_radius(0.5, top, runner_up if bound is BoundName.MULTICLASS else top)
        assert expected is not None
        assert outcome.radius == pytest.approx(expected - plan.slack.distance, rel=1e-11)
        assert outcome.radius < expected - plan.slack.distance
        assert outcome.p_a_lower == pytest.approx(1 - top, abs=1e-11)
        assert outcome.p_a_lower < 1 - top


def test_a_radius_that_the_lattice_takes_is_an_abstention() -> None:
    """555 of 1000 prove a little; in 2^31 dimensions the slack is a 23rd of sigma."""
    counts = tally((0, 100, 0), (445, 555, 0))
    assert isinstance(decide(plan_with(dimension=2**31), counts), Certified)
    outcome = decide(plan_with(dimension=2**31, noise=NoiseName.LATTICE), counts)
    assert isinstance(outcome, Abstained)
    assert outcome.candidate == 1


@unhurried
@given(
    counts=st.lists(st.integers(0, 400), min_size=4, max_size=4).filter(lambda c: sum(c) >= 11),
    bound=st.sampled_from(BoundName),
    noise=st.sampled_from(NoiseName),
)
def test_no_outcome_passes_the_ceiling(counts: list[int], bound: BoundName, noise: NoiseName) -> None:
    *estimation, invalid = counts
    plan = plan_with(n=sum(counts), bound=bound, noise=noise)
    outcome = decide(plan, tally((100, 0, 0), estimation, invalid))
    if isinstance(outcome, Certified):
        assert 0 < outcome.radius <= plan.radius_ceiling
        assert (outcome.radius == plan.radius_ceiling) is outcome.saturated
        assert 0 < outcome.p_a_lower < 1
