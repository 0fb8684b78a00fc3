"""The gate's state machine: only looks decide, so verdict and votes follow from the noise alone."""

import random
from collections.abc import Iterator
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from tests.smoothing.plans import NORM, asked, gate_plan, plan_with

from soundproof.errors import InvalidPlan
from soundproof.smoothing.certification import Abstained, Certification, Certified, Votes
from soundproof.smoothing.gated import Answer, Look, Question, Verdict, question_of, verdict_at
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import Block, NoiseName, Plan
from soundproof.stats.gate import gate, null_error, prospects

unhurried = settings(deadline=None, derandomize=True, max_examples=60)
FALSE_ALARM = 1e-6


def falling(block: Block, error: float, seed: int = 0, invalid: float = 0.0) -> Votes:
    """The votes of a block, whenever it is asked for: class 1, the one selected, but for `error` and `invalid`."""
    if block.stage is Stage.SELECTION:
        return Votes((1, block.samples - 1, 0))
    generator = np.random.default_rng([seed, block.index])
    wrong, bad, right = generator.multinomial(block.samples, [error, invalid, 1 - error - invalid])
    return Votes((int(wrong), int(right), 0), int(bad))


def run(plan: Plan, error: float, seed: int = 0, invalid: float = 0.0) -> Certified | Abstained:
    certification = Certification(plan)
    certification.ask(asked(plan))
    while wanted := certification.wanted():
        for block in wanted:
            certification.record(block, falling(block, error, seed, invalid))
    return certification.outcome()


def answer_of(outcome: Certified | Abstained) -> Answer:
    assert outcome.answer is not None
    return outcome.answer


def blocks_of(question: Question, block_samples: int) -> Iterator[tuple[Block, ...]]:
    return (question.blocks(look, block_samples) for look in range(len(question.gate.looks)))


def test_a_plan_without_a_target_asks_nothing() -> None:
    assert question_of(plan_with(), NORM) is None
    with pytest.raises(InvalidPlan, match="no target"):
        Certification(plan_with()).ask(asked(gate_plan()))


@unhurried
@given(reach=st.floats(0.05, 2.9), n=st.integers(4_000, 40_000), block_samples=st.integers(1, 300))
def test_blocks_are_cut_at_the_looks_and_have_addresses_of_their_own(reach: float, n: int, block_samples: int) -> None:
    question = asked(gate_plan(reach, n=n))
    by_look = list(blocks_of(question, block_samples))
    assert tuple(accumulate(sum(b.samples for b in blocks) for blocks in by_look)) == question.gate.looks
    every = [block for blocks in by_look for block in blocks]
    assert [block.index for block in every] == list(range(len(every)))
    assert {block.stage for block in every} == {Stage.ESTIMATION}
    assert all(1 <= block.samples <= block_samples for block in every)
    assert all(block.samples == block_samples for blocks in by_look for block in blocks[:-1])


def test_selection_is_wanted_at_once_and_the_first_look_as_soon_as_the_question_is_known() -> None:
    plan = gate_plan()
    certification = Certification(plan)
    assert certification.wanted() == plan.blocks(Stage.SELECTION)
    first = asked(plan).blocks(0, plan.block_samples)
    assert certification.ask(asked(plan)) == first
    assert certification.wanted() == plan.blocks(Stage.SELECTION) + first
    assert certification.ask(asked(plan)) == ()  # after a crash
    assert certification.wanted() == plan.blocks(Stage.SELECTION) + first


def test_there_is_no_outcome_before_the_question_and_its_votes() -> None:
    certification = Certification(gate_plan())
    for _ in range(2):
        for block in certification.wanted():
            with pytest.raises(RuntimeError, match="no outcome"):
                certification.outcome()
            certification.record(block, falling(block, 0.0))
        certification.ask(asked(gate_plan()))
    assert isinstance(certification.outcome(), Certified)


def test_votes_beyond_the_next_look_are_refused() -> None:
    plan = gate_plan()
    certification = Certification(plan)
    certification.ask(asked(plan))
    [beyond, *_] = asked(plan).blocks(1, plan.block_samples)
    with pytest.raises(InvalidPlan, match="is not of this plan"):
        certification.record(beyond, falling(beyond, 0.0))


@unhurried
@given(
    error=st.sampled_from([0.0, 0.02, 0.08, 0.11, 0.13, 0.16, 0.3, 1.0]),
    seed=st.integers(0, 2**32),
    block_samples=st.sampled_from([7, 64, 128]),
)
def test_blocks_in_any_order_and_twice_give_the_same_verdict_with_the_same_votes(
    error: float, seed: int, block_samples: int
) -> None:
    plan = gate_plan(n=2_000, n0=300, block_samples=block_samples)
    expected = run(plan, error, seed)
    generator = random.Random(seed)  # noqa: S311
    certification = Certification(plan)
    waiting, seen = list(certification.wanted()), set(certification.wanted())
    is_asked = False
    while waiting or not is_asked:
        if not is_asked and (not waiting or generator.random() < 0.3):
            is_asked = True
            waiting += certification.ask(asked(plan))
            seen.update(waiting)
            continue
        block = waiting[generator.randrange(len(waiting))]
        if generator.random() < 0.7:
            waiting.remove(block)
        certification.record(block, falling(block, error, seed))
        if not waiting:
            waiting = list(certification.wanted())
            assert not seen & set(waiting)  # nothing is asked for twice
            seen.update(waiting)
    assert certification.outcome() == expected
    assert sum(block.samples for block in seen if block.stage is Stage.ESTIMATION) == expected.tally.used


@unhurried
@given(error=st.floats(0, 0.35), seed=st.integers(0, 2**32), reach=st.sampled_from([0.5, 1.0, 1.5]))
def test_the_verdict_is_that_of_a_look_at_the_counts_by_hand(error: float, seed: int, reach: float) -> None:
    plan = gate_plan(reach, n=1_500)
    question = asked(plan)
    outcome = run(plan, error, seed)
    errors, by_hand = 0, None
    for blocks, votes, most in zip(
        blocks_of(question, 128), question.gate.looks, question.gate.most_errors, strict=True
    ):
        errors += sum(falling(block, error, seed).counts[0] for block in blocks)
        if errors <= most:
            by_hand = Verdict.CERTIFIED
        elif votes == plan.n:
            by_hand = Verdict.REFUTED if errors >= plan.n * question.gate.null_error else Verdict.UNDECIDED
        elif errors > question.gate.most_errors[-1]:
            by_hand = Verdict.REFUTED
        if by_hand is not None:
            break
    answer = answer_of(outcome)
    assert answer.verdict is by_hand
    assert answer.looks[-1] == Look(votes, errors, most)
    assert outcome.tally.used == votes
    assert isinstance(outcome, Certified) is (by_hand is Verdict.CERTIFIED)


def test_a_certified_gate_claims_the_radius_that_it_tested_and_nothing_more() -> None:
    outcome = run(gate_plan(2.0, n=10_000), 0.0)
    question = answer_of(outcome).question
    assert isinstance(outcome, Certified)
    assert outcome.prediction == 1
    assert outcome.radius == question.target_radius
    assert outcome.p_a_lower < 1 - question.gate.null_error < outcome.p_a_lower + 1e-11
    assert outcome.tally.used == question.gate.looks[0] == 361
    assert outcome.radius < gate_plan(2.0, n=10_000).radius_ceiling
    assert not outcome.saturated


def test_on_a_lattice_a_certified_gate_claims_the_same_radius_for_a_little_less_probability() -> None:
    plain, on_lattice = (gate_plan(2.0, n=10_000, noise=noise) for noise in NoiseName)
    before, outcome = run(plain, 0.0), run(on_lattice, 0.0)
    assert isinstance(before, Certified)
    assert isinstance(outcome, Certified)
    assert outcome.radius == before.radius
    gate = answer_of(outcome).question.gate
    assert gate.null_error < answer_of(before).question.gate.null_error - on_lattice.slack.error
    assert outcome.p_a_lower < 1 - gate.null_error - on_lattice.slack.error < outcome.p_a_lower + 1e-11


def test_a_clip_of_another_class_is_refuted_as_soon_as_it_cannot_pass() -> None:
    outcome = run(gate_plan(2.0, n=10_000), 1.0)
    assert isinstance(outcome, Abstained)
    assert answer_of(outcome).verdict is Verdict.REFUTED
    assert outcome.tally.used == 361
    assert outcome.candidate == 1
    assert outcome.p_a_lower is None
    assert outcome.reason == (
        "361 of 361 votes are not for the selected class; a gate of 10000 votes certifies with at most 180 such votes"
    )


def test_all_votes_spent_with_fewer_errors_than_at_the_null_is_undecided_and_with_more_refuted() -> None:
    found = gate(null_error(1.0, 1.0), 10_000, 0.001)
    most, expected = found.most_errors[-1], found.null_error * 10_000

    def verdict(errors: float) -> Verdict | None:
        return verdict_at(found, [Look(10_000, int(errors), most)])

    assert verdict(most) is Verdict.CERTIFIED
    assert verdict(most + 1) is verdict(expected) is Verdict.UNDECIDED
    assert verdict(expected + 1) is verdict(10_000) is Verdict.REFUTED
    assert verdict_at(found, [Look(9_000, most, 5)]) is None
    assert verdict_at(found, [Look(9_000, most + 1, 5)]) is Verdict.REFUTED


def test_votes_that_are_not_finite_are_errors() -> None:
    plan = gate_plan(2.0, n=10_000)
    outcome = run(plan, 0.0, invalid=1.0)
    assert answer_of(outcome).verdict is Verdict.REFUTED
    assert outcome.tally.invalid == answer_of(outcome).looks[-1].errors == 361


def test_a_selection_without_a_class_abstains_after_the_votes_of_one_look() -> None:
    plan = gate_plan()
    certification = Certification(plan)
    certification.ask(asked(plan))
    for block in certification.wanted():
        none = block.stage is Stage.SELECTION
        certification.record(block, Votes((0, 0, 0), block.samples) if none else Votes((block.samples, 0, 0)))
    outcome = certification.outcome()
    assert isinstance(outcome, Abstained)
    assert outcome.candidate is None
    assert answer_of(outcome) == Answer(asked(plan), (), Verdict.ABSTAINED)
    assert outcome.tally.used == asked(plan).gate.looks[0]


CLIPS, ALPHA = 1_500, 0.05


@pytest.mark.parametrize("reach", [1.0, 2.0])
def test_clips_just_out_of_reach_are_certified_no_more_often_than_alpha(reach: float) -> None:
    """Errors with probability q0 exactly, where the gate's level is used up. A sound gate passes more than 118 of 1500
    clips at alpha 5 % with probability FALSE_ALARM = 1e-6 at most; the seeds are fixed."""
    plan = gate_plan(reach, n=1_000, alpha=ALPHA)
    q0 = asked(plan).gate.null_error
    certified = sum(isinstance(run(plan, q0, seed), Certified) for seed in range(CLIPS))
    assert certified <= binom.isf(FALSE_ALARM, CLIPS, ALPHA)
    assert certified > 0.5 * ALPHA * CLIPS  # and the level is used: less has probability 1e-6 at 4.5 %


def test_the_fixed_bound_at_every_look_instead_of_the_boundaries_is_caught() -> None:
    """Clips at the null again, certified where Clopper-Pearson at all of alpha would do at any look."""
    plan = gate_plan(1.0, n=1_000, alpha=ALPHA)
    q0 = asked(plan).gate.null_error
    passed = 0
    for seed in range(CLIPS):
        looks = answer_of(run(plan, q0, seed)).looks
        passed += any(binom.cdf(look.errors, look.votes, q0) <= ALPHA for look in looks)
    assert passed > binom.isf(FALSE_ALARM, CLIPS, ALPHA)


@pytest.mark.parametrize(("reach", "easier"), [(1.0, 0.6), (2.0, 0.3)])
def test_power_and_votes_are_those_that_the_gate_promises(reach: float, easier: float) -> None:
    """400 clips, five standard errors."""
    plan = gate_plan(reach, n=2_000)
    expected = prospects(asked(plan).gate, easier * asked(plan).gate.null_error)
    outcomes = [run(plan, easier * asked(plan).gate.null_error, seed) for seed in range(400)]
    certified = np.mean([isinstance(outcome, Certified) for outcome in outcomes])
    assert certified == pytest.approx(expected.certified, abs=5 * 0.5 / 20)
    used = [outcome.tally.used for outcome in outcomes]
    assert np.mean(used) == pytest.approx(expected.mean_votes, abs=5 * float(np.std(used)) / 20 + 1)
