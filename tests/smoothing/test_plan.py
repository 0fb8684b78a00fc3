"""What a plan allows, and that its blocks are a partition of its samples."""

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri
from tests.smoothing.plans import plan_with

from soundproof.errors import ImpossiblePlan, InvalidPlan
from soundproof.smoothing.lattice import Lattice
from soundproof.smoothing.noise_address import Stage, stream_key
from soundproof.smoothing.plan import BoundName, ContractName, NoiseName, TransformName
from soundproof.stats.bounds import error_upper_bound
from soundproof.stats.radius import radius_ceiling
from soundproof.stats.slack import NO_SLACK

unhurried = settings(deadline=None, derandomize=True)
RANGES: dict[str, tuple[float, float]] = {
    "sigma": (1e-6, 1e3),
    "alpha": (1e-9, 0.5),
    "n0": (1, 100_000),
    "n": (10, 10_000_000),
    "seed": (0, 2**53 - 1),
    "classes": (2, 10_000),
    "block_samples": (1, 65_536),
    "dimension": (1, 2**31),
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, ends in RANGES.items() for value in ends])
def test_the_ends_of_every_range_are_allowed(field: str, value: float) -> None:
    assert getattr(plan_with(**{field: value}), field) == value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, low - 1) for field, (low, _) in RANGES.items() if field != "n"),
        *((field, high + 1) for field, (_, high) in RANGES.items()),
        *((field, value) for field in ("sigma", "alpha") for value in (0.0, -1.0, math.nan, math.inf, -math.inf)),
        ("n", 0),
        ("n", -1),
        ("seed", 10**400),
        ("sigma", math.nextafter(1e-6, 0)),
        ("alpha", math.nextafter(0.5, 1)),
    ],
)
def test_a_value_outside_its_range_is_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(InvalidPlan) as caught:
        plan_with(**{field: value})
    assert caught.value.detail.startswith(f"{field} is {value!r}; it must be between ")


def test_a_refusal_gives_the_range_in_full() -> None:
    with pytest.raises(InvalidPlan, match="it must be between 0 and 9007199254740991"):
        plan_with(seed=2**53)


@pytest.mark.parametrize(
    ("alpha", "bound", "needed"),
    [
        (0.001, BoundName.CLOPPER_PEARSON, 10),
        (0.001, BoundName.MULTICLASS, 11),
        (0.05, BoundName.CLOPPER_PEARSON, 5),
        (1e-9, BoundName.CLOPPER_PEARSON, 30),
        (0.5, BoundName.CLOPPER_PEARSON, 2),
    ],
)
def test_a_plan_that_cannot_certify_anything_names_the_n_it_needs(alpha: float, bound: BoundName, needed: int) -> None:
    with pytest.raises(ImpossiblePlan) as caught:
        plan_with(alpha=alpha, bound=bound, n=needed - 1)
    assert caught.value.detail.startswith(f"{needed - 1} votes cannot certify anything at alpha {alpha:g}")
    assert f"at least {needed}." in caught.value.hint
    assert plan_with(alpha=alpha, bound=bound, n=needed).radius_ceiling > 0


@pytest.mark.parametrize("contract", [ContractName.WAVEFORM, ContractName.FEATURE])
@pytest.mark.parametrize("transform", [t for t in TransformName if t is not TransformName.FIXED])
def test_a_transform_belongs_to_the_post_processed_contract(contract: ContractName, transform: TransformName) -> None:
    with pytest.raises(InvalidPlan, match="post_processed"):
        plan_with(contract=contract, transform=transform)
    assert plan_with(contract=ContractName.POST_PROCESSED, transform=transform).transform is transform


def test_the_ceiling_is_what_unanimous_votes_give() -> None:
    assert plan_with(sigma=0.5, n=1000).radius_ceiling == radius_ceiling(0.5, 1000, 0.001)
    multiclass = plan_with(sigma=0.5, n=1000, bound=BoundName.MULTICLASS)
    assert multiclass.radius_ceiling == radius_ceiling(0.5, 1000, 0.0005)


def test_a_lattice_lowers_the_ceiling_by_its_slack() -> None:
    for bound in BoundName:
        whole, less = (plan_with(bound=bound, noise=noise) for noise in NoiseName)
        assert whole.slack == NO_SLACK
        q = error_upper_bound(1_000, 1_000, less.bound_alpha) + Lattice(0.5).error_slack(16_000)
        lost = Lattice(0.5).distance_slack(16_000)
        assert less.radius_ceiling == pytest.approx(0.5 * float(ndtri(1 - q)) - lost, rel=1e-9)
        assert less.radius_ceiling < whole.radius_ceiling - lost


def test_a_plan_whose_ceiling_the_lattice_takes_names_the_n_it_needs() -> None:
    """In 2^31 dimensions the slack is a 23rd of sigma and 1/400."""
    huge = {"dimension": 2**31, "noise": NoiseName.LATTICE}
    assert plan_with(n=10, dimension=2**31).radius_ceiling > 0
    with pytest.raises(ImpossiblePlan) as caught:
        plan_with(n=10, **huge)
    assert caught.value.hint == "Ask for n of at least 11."
    assert plan_with(n=11, **huge).radius_ceiling > 0


@pytest.mark.parametrize("sigma", [1e-6, 0.0025, 0.5, math.nextafter(1, 0), 1.0, 3.7, 1e3])
def test_no_sigma_has_more_slack_than_is_said_of_all_of_them(sigma: float) -> None:
    plan = plan_with(sigma=sigma, noise=NoiseName.LATTICE)
    assert plan.slack.distance <= plan.slack_in_sigmas.distance * sigma <= 2.001 * plan.slack.distance
    assert plan.slack.error <= plan.slack_in_sigmas.error <= 2.001 * plan.slack.error
    assert plan_with(sigma=sigma).slack_in_sigmas == NO_SLACK


@unhurried
@given(n0=st.integers(1, 3_000), n=st.integers(10, 20_000), block_samples=st.integers(1, 2_000))
def test_blocks_partition_the_samples_of_each_stage(n0: int, n: int, block_samples: int) -> None:
    plan = plan_with(n0=n0, n=n, block_samples=block_samples)
    for stage, total in ((Stage.SELECTION, n0), (Stage.ESTIMATION, n)):
        blocks = plan.blocks(stage)
        assert sum(block.samples for block in blocks) == total
        assert [block.index for block in blocks] == list(range(len(blocks)))
        assert {block.stage for block in blocks} == {stage}
        assert all(block.samples == block_samples for block in blocks[:-1])
        assert 1 <= blocks[-1].samples <= block_samples
    assert plan.blocks(Stage.TRAINING) == ()


@pytest.mark.parametrize(
    "change", [{"seed": 8}, {"clip_sha256": "01"}, {"seed": 70, "clip_sha256": "0"}, {"seed": 0, "clip_sha256": "700"}]
)
def test_another_seed_or_clip_is_another_noise_stream(change: dict[str, Any]) -> None:
    assert plan_with(**change).noise_stream != plan_with().noise_stream


def test_a_lattice_has_a_noise_stream_of_its_own() -> None:
    """And float noise the one that it has always had."""
    on_lattice = plan_with(noise=NoiseName.LATTICE).noise_stream
    assert on_lattice == stream_key(7, "00", "lattice")
    assert plan_with().noise_stream == stream_key(7, "00") != on_lattice


def test_the_noise_stream_does_not_depend_on_how_much_of_it_is_drawn() -> None:
    streams = {plan_with(n0=n0, n=n).noise_stream for n0, n in pairwise((10, 100, 1_000, 10_000))}
    assert streams == {plan_with().noise_stream}
