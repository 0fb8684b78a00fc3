"""What a gate asks of a clip, and what is refused before any vote is drawn."""

import re
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.smoothing.plans import NORM, asked, gate_plan, plan_with, target_of

from soundproof.errors import ImpossiblePlan, InvalidPlan
from soundproof.smoothing.gated import question_of
from soundproof.smoothing.lattice import Lattice
from soundproof.smoothing.plan import BoundName, ContractName, NoiseName
from soundproof.stats.gate import gate, null_error, smallest_votes
from soundproof.stats.normal_tail import upper_tail

unhurried = settings(deadline=None, derandomize=True, max_examples=60)


@unhurried
@given(st.floats(1e-3, 1e6), st.floats(-60, 200))
def test_the_ball_that_is_tested_has_every_perturbation_of_the_target_snr(norm: float, target: float) -> None:
    sigma = min(1e3, max(1e-6, norm * 10 ** (-target / 20)))
    try:
        question = question_of(plan_with(sigma=sigma, n=1_000_000, target_snr_db=target), norm)
    except ImpossiblePlan:
        return
    assert question is not None
    with localcontext(prec=60):
        meant = Decimal(norm) * Decimal(10) ** (-Decimal(target) / 20)
        assert meant <= Decimal(question.target_radius) <= meant * (1 + Decimal("2e-12"))
    assert question.gate.null_error == null_error(question.target_radius, sigma)


@unhurried
@given(norm=st.floats(1e-3, 1e6), target=st.floats(-60, 200), dimension=st.sampled_from([1, 16_000, 2**31]))
def test_on_a_lattice_the_null_gives_up_both_slacks(norm: float, target: float, dimension: int) -> None:
    """q0 <= Phi(-(R + distance) / sigma) - error, and not much less."""
    sigma = min(1e3, max(1e-6, norm * 10 ** (-target / 20)))
    plan = plan_with(sigma=sigma, n=1_000_000, target_snr_db=target, noise=NoiseName.LATTICE, dimension=dimension)
    try:
        question = question_of(plan, norm)
    except ImpossiblePlan:
        return
    assert question is not None
    plain = question_of(replace(plan, noise=NoiseName.FLOAT), norm)
    assert plain is not None
    assert question.target_radius == plain.target_radius
    lattice = Lattice(sigma)
    reach = (Decimal(question.target_radius) + Decimal(lattice.distance_slack(dimension))) / Decimal(sigma)
    exact = upper_tail(reach) - Decimal(lattice.error_slack(dimension))
    assert exact * (1 - Decimal("1e-9")) <= Decimal(question.gate.null_error) <= exact


@pytest.mark.parametrize("noise", NoiseName)
@unhurried
@given(reach=st.floats(0.3, 3.8), n=st.integers(10, 5_000), alpha=st.sampled_from([0.5, 0.05, 0.001, 1e-9]))
def test_a_refusal_names_what_would_be_enough_and_no_more(noise: NoiseName, reach: float, n: int, alpha: float) -> None:
    plan: dict[str, Any] = {"n": max(n, 31), "alpha": alpha, "noise": noise}
    slack = gate_plan(reach, **plan).slack
    if smallest_votes(null_error(reach + slack.distance / 0.5, 1.0) - slack.error, alpha) <= plan["n"]:
        return
    with pytest.raises(
        ImpossiblePlan, match=r"votes at sigma 0\.5 cannot certify this clip down to an SNR of"
    ) as refused:
        asked(gate_plan(reach, **plan))
    ways = {way: float(least) for way, least in re.findall(r"(\w+) of at least ([\d.]+\d)", refused.value.hint)}
    assert ways.keys() == {"n", "sigma", "target_snr_db"}
    asked(gate_plan(reach, **plan | {"n": int(ways["n"])}))
    asked(gate_plan(reach, **plan, sigma=ways["sigma"], target_snr_db=target_of(reach)))
    asked(gate_plan(reach, **plan | {"target_snr_db": ways["target_snr_db"]}))
    # A lattice's slack is not quite in proportion to sigma: the hints allow for the most it may be.
    near, near_db = (0.999, 0.01) if noise is NoiseName.FLOAT else (0.99, 0.1)
    for change in ({"n": int(ways["n"]) - 1}, {"sigma": near * ways["sigma"]}):
        with pytest.raises(ImpossiblePlan):
            asked(gate_plan(reach, **plan | {"target_snr_db": target_of(reach)} | change))
    with pytest.raises(ImpossiblePlan):
        asked(gate_plan(reach, **plan | {"target_snr_db": ways["target_snr_db"] - near_db}))


def test_a_target_out_of_all_reach_is_refused_with_the_sigma_and_the_target_that_it_needs() -> None:
    with pytest.raises(ImpossiblePlan) as refused:
        asked(gate_plan(50.0, n=1_000_000))
    assert refused.value.hint.startswith("Ask for sigma of at least ")
    assert " or target_snr_db of at least " in refused.value.hint
    with pytest.raises(ImpossiblePlan, match=r"Ask for target_snr_db of at least 92\.1698"):
        question_of(plan_with(sigma=1e3, n=1_000, target_snr_db=-60), 1e6 * NORM)


def test_a_silent_clip_has_no_snr_to_ask_for() -> None:
    with pytest.raises(ImpossiblePlan, match="silent"):
        question_of(gate_plan(), 0.0)


@pytest.mark.parametrize("target", [-60.1, 200.1, float("nan"), float("inf")])
def test_a_target_outside_its_range_is_refused(target: float) -> None:
    with pytest.raises(InvalidPlan, match=r"target_snr_db is .*; it must be between -60 and 200"):
        plan_with(target_snr_db=target)


def test_what_does_not_go_with_a_target_is_refused_with_a_hint() -> None:
    with pytest.raises(InvalidPlan, match=r"features have no SNR\. Use contract 'waveform' or 'post_processed'"):
        plan_with(target_snr_db=40.0, contract=ContractName.FEATURE)
    with pytest.raises(InvalidPlan, match="does not go with bound 'multiclass'"):
        plan_with(target_snr_db=40.0, bound=BoundName.MULTICLASS)
    with pytest.raises(InvalidPlan, match="n is 1000001; with target_snr_db it must be at most 1000000"):
        plan_with(target_snr_db=40.0, n=1_000_001)


def test_the_smallest_n_that_is_named_can_pass_at_every_alpha() -> None:
    """At alpha near 1/2 the margin on the number of votes must outweigh that on the crossing probability."""
    for alpha in (0.5, 0.4, 0.37, 0.001):
        for n in range(2, 2_000, 41):
            q0 = min(0.49, float(-np.expm1(np.log(alpha) * (1 + 2**-20) / n)))
            needed = smallest_votes(q0, alpha)
            assert gate(q0, int(needed), alpha).most_errors[0] >= 0
