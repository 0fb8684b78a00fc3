"""The whole engine against classifiers whose smoothed radius is known exactly.

Two classes, linear: f(x) = argmax(W x + b) changes at one hyperplane, and so does its smoothed version, at any sigma:
by symmetry the smoothed probability of class 0 is Phi(distance / sigma). The exact radius is the distance
|margin| / ||w_0 - w_1||. The transforms 'rms', 'peak' and 'peak_clean' multiply by a positive number, which without a
bias leaves every vote and hence the radius as it was.

Three classes in slabs: logits (-s, h, s) of the position s = u . x along one direction u. Class 1 wins between -h and
h. The smoothed probabilities are differences of Phi(. / sigma) in s, and the smoothed class changes where class 1 and
an outer class have the same, at s = +-edge: the exact radius is | |s| - edge | / ||u||.

False alarms: a certificate may be false with probability ALPHA. Every comparison allows so many of CLIPS certificates
to be false that a sound engine fails it with probability at most FALSE_ALARM = 1e-6 over the choice of seeds, which
are fixed. The same votes are also judged at LOOSE_ALPHA, where false certificates are common enough to be counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binom, norm
from tests.model_folders import RMS_GAIN, UNIT_GAIN
from tests.smoothing.clips import Floats, linear, prepared
from tests.smoothing.plans import plan_with
from torch import Tensor

from soundproof.audio.prepare import Prepared
from soundproof.nets.classifier import Linear
from soundproof.smoothing import certification, counting, voting
from soundproof.smoothing.certification import Abstained, Certification, Certified, Tally, decide
from soundproof.smoothing.contracts import centre, contract_for
from soundproof.smoothing.noise import standard_normal
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import BoundName, ContractName, NoiseName, Plan, TransformName
from soundproof.terms import Gain

SAMPLES, CLIPS, SIGMA = 256, 150, 0.25
N, ALPHA, LOOSE_ALPHA = 1_000, 0.001, 0.05
FALSE_ALARM = 1e-6
FURTHEST = 4.0  # sigmas: exact radii are spread evenly from 0 to here; the ceiling is at 2.46
WIDTH = 2.0  # sigmas: half the width of the middle slab

TWO_CLASSES: dict[str, tuple[ContractName, TransformName, Gain, bool]] = {
    "waveform": (ContractName.WAVEFORM, TransformName.FIXED, UNIT_GAIN, True),
    "waveform, level brought to RMS 1": (ContractName.WAVEFORM, TransformName.FIXED, RMS_GAIN, True),
    "feature": (ContractName.FEATURE, TransformName.FIXED, UNIT_GAIN, True),
    "post-processed, fixed": (ContractName.POST_PROCESSED, TransformName.FIXED, UNIT_GAIN, True),
    "post-processed, rms": (ContractName.POST_PROCESSED, TransformName.RMS, RMS_GAIN, False),
    "post-processed, peak": (ContractName.POST_PROCESSED, TransformName.PEAK, UNIT_GAIN, False),
    "post-processed, peak_clean": (ContractName.POST_PROCESSED, TransformName.PEAK_CLEAN, UNIT_GAIN, False),
}

# Kinds that are asked with lattice noise too.
ON_LATTICE = {"waveform, level brought to RMS 1", "feature", "post-processed, peak", "three slabs"}


@dataclass(frozen=True)
class Case:
    """A clip with all its votes, and what is true of it."""

    plan: Plan
    tally: Tally
    smoothed_class: int
    exact_radius: float

    def is_false(self, outcome: Certified | Abstained) -> bool:
        return isinstance(outcome, Certified) and (
            outcome.prediction != self.smoothed_class or outcome.radius > self.exact_radius
        )


def votes_for(plan: Plan, classifier: Linear, clip: Prepared) -> Tally:
    """All votes of a plan, through the real contract, noise and state machine."""
    contract = contract_for(plan, classifier, clip)
    point = centre(plan, contract, clip)
    run = Certification(plan)
    blocks = run.wanted()
    for block, votes in zip(blocks, voting.vote_all(contract, point, plan, blocks, chunk_samples=512), strict=True):
        run.record(block, votes)
    return run.outcome().tally


def positions(generator: np.random.Generator) -> Floats:
    """(CLIPS,) signed distances in sigmas, from 0 to FURTHEST on both sides."""
    distances: Floats = np.linspace(0, FURTHEST, CLIPS) * generator.choice([-1, 1], CLIPS)
    return distances


def cases_of_two_classes(kind: str, noise: NoiseName) -> list[Case]:
    contract, transform, gain, with_bias = TWO_CLASSES[kind]
    generator = np.random.default_rng([1, *kind.encode()])
    weight = generator.standard_normal((2, SAMPLES)).astype(np.float32).astype(np.float64)
    bias = generator.standard_normal(2).astype(np.float32).astype(np.float64) * with_bias
    slope = float(np.linalg.norm(weight[0] - weight[1]))
    unit, offset = (weight[0] - weight[1]) / slope, (bias[0] - bias[1]) / slope
    cases = []
    for number, position in enumerate(positions(generator)):
        clip = generator.standard_normal(SAMPLES)
        clip += (position * SIGMA - unit @ clip - offset) * unit
        ready = prepared(clip, gain)
        distance = float(unit @ ready.x.numpy()) + offset  # after float32 samples and gain
        plan = plan_with(
            contract=contract,
            transform=transform,
            classes=2,
            sigma=SIGMA,
            n=N,
            alpha=ALPHA,
            clip_sha256=f"{kind}{number}",
            dimension=SAMPLES,
            noise=noise,
        )
        tally = votes_for(plan, linear(weight, bias), ready)
        cases.append(Case(plan, tally, smoothed_class=int(distance < 0), exact_radius=abs(distance)))
    return cases


def cases_of_three_classes(noise: NoiseName) -> list[Case]:
    generator = np.random.default_rng(3)
    unit = generator.standard_normal(SAMPLES)
    unit /= np.linalg.norm(unit)
    unit = unit.astype(np.float32).astype(np.float64)
    scale, height = float(np.linalg.norm(unit)), WIDTH * SIGMA
    classifier = linear(np.stack([-unit, 0 * unit, unit]), np.array([0.0, height, 0.0]))

    def lead_of_the_middle(s: float) -> float:
        outer = float(norm.sf((height - s) / (SIGMA * scale)))
        return 1 - outer - float(norm.cdf((-height - s) / (SIGMA * scale))) - outer

    edge = float(brentq(lead_of_the_middle, 0, 10 * SIGMA))
    cases = []
    for number, position in enumerate(positions(generator)):
        clip = generator.standard_normal(SAMPLES)
        clip += (position * SIGMA - unit @ clip) * unit
        ready = prepared(clip)
        s = float(unit @ ready.x.numpy())
        fields = {"dimension": SAMPLES, "noise": noise, "clip_sha256": f"slabs{number}"}
        plan = plan_with(classes=3, sigma=SIGMA, n=N, alpha=ALPHA, **fields)
        smoothed_class = 1 if abs(s) < edge else 2 if s > 0 else 0
        cases.append(Case(plan, votes_for(plan, classifier, ready), smoothed_class, abs(abs(s) - edge) / scale))
    return cases


@cache
def cases(kind: str, noise: NoiseName = NoiseName.FLOAT) -> list[Case]:
    return cases_of_three_classes(noise) if kind == "three slabs" else cases_of_two_classes(kind, noise)


def outcomes(found: Sequence[Case], alpha: float, bound: BoundName) -> list[Certified | Abstained]:
    return [decide(replace(case.plan, alpha=alpha, bound=bound), case.tally) for case in found]


def false_certificates(found: Sequence[Case], alpha: float, bound: BoundName = BoundName.CLOPPER_PEARSON) -> int:
    judged = zip(found, outcomes(found, alpha, bound), strict=True)
    return sum(case.is_false(outcome) for case, outcome in judged)


def allowed(alpha: float) -> int:
    """4 of 150 at ALPHA, 23 at LOOSE_ALPHA."""
    return int(binom.isf(FALSE_ALARM, CLIPS, alpha))


ALL_KINDS = [
    *((kind, BoundName.CLOPPER_PEARSON) for kind in TWO_CLASSES),
    *(("three slabs", bound) for bound in BoundName),
]


@pytest.mark.parametrize("alpha", [ALPHA, LOOSE_ALPHA])
@pytest.mark.parametrize(
    ("kind", "bound", "noise"),
    [
        *((kind, bound, NoiseName.FLOAT) for kind, bound in ALL_KINDS),
        *((kind, bound, NoiseName.LATTICE) for kind, bound in ALL_KINDS if kind in ON_LATTICE),
    ],
)
def test_certified_radii_do_not_exceed_the_exact_ones(
    kind: str, bound: BoundName, alpha: float, noise: NoiseName
) -> None:
    assert false_certificates(cases(kind, noise), alpha, bound) <= allowed(alpha)


@pytest.mark.parametrize(
    ("kind", "noise"),
    [
        *((kind, NoiseName.FLOAT) for kind in TWO_CLASSES),
        *((kind, NoiseName.LATTICE) for kind in TWO_CLASSES if kind in ON_LATTICE),
    ],
)
def test_certified_radii_are_not_vacuous(kind: str, noise: NoiseName) -> None:
    """For every clip 1 sigma or further from the boundary: the right class, and at least 60 % of the exact radius or of
    the ceiling. At 1 sigma, the worst case, less takes a count 6 standard deviations below its mean (2e-9)."""
    far = [case for case in cases(kind, noise) if case.exact_radius >= SIGMA]
    assert len(far) > 100
    for case, outcome in zip(far, outcomes(far, ALPHA, BoundName.CLOPPER_PEARSON), strict=True):
        assert isinstance(outcome, Certified)
        assert outcome.prediction == case.smoothed_class
        assert outcome.radius >= 0.6 * min(case.exact_radius, case.plan.radius_ceiling)


@pytest.mark.parametrize("kind", TWO_CLASSES)
def test_unsaturated_radii_are_close_to_the_exact_ones(kind: str) -> None:
    """Half of them, from 1 sigma on, are at least 80 % of the exact radius: the width of the bound at n = 1000."""
    judged = zip(cases(kind), outcomes(cases(kind), ALPHA, BoundName.CLOPPER_PEARSON), strict=True)
    shares = [
        outcome.radius / case.exact_radius
        for case, outcome in judged
        if isinstance(outcome, Certified) and not outcome.saturated and case.exact_radius >= SIGMA
    ]
    assert len(shares) > 50
    assert float(np.median(shares)) > 0.8


def test_both_bounds_certify_every_slab() -> None:
    """The right class for all clips 1 sigma or further from an edge, with at least 60 % of the exact radius."""
    far = [case for case in cases("three slabs") if case.exact_radius >= SIGMA]
    assert {case.smoothed_class for case in far} == {0, 1, 2}
    for bound in BoundName:
        for case, outcome in zip(far, outcomes(far, ALPHA, bound), strict=True):
            assert isinstance(outcome, Certified)
            assert outcome.prediction == case.smoothed_class
            assert outcome.radius >= 0.6 * min(case.exact_radius, case.plan.radius_ceiling)


def point_estimate(count: int, n: int, alpha: float) -> float:
    return max(count, 0.5) / n


@pytest.mark.parametrize(("kind", "bound"), ALL_KINDS)
def test_point_estimates_instead_of_bounds_are_caught(
    kind: str, bound: BoundName, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = cases(kind)
    monkeypatch.setattr(certification, "error_upper_bound", lambda k, n, alpha: point_estimate(n - k, n, alpha))
    monkeypatch.setattr(certification, "share_upper_bound", point_estimate)
    assert false_certificates(found, ALPHA, bound) > allowed(ALPHA)
    assert false_certificates(found, LOOSE_ALPHA, bound) > allowed(LOOSE_ALPHA)


def test_a_radius_at_twice_the_sigma_is_caught() -> None:
    found = [replace(case, plan=replace(case.plan, sigma=2 * SIGMA)) for case in cases("waveform")]
    assert false_certificates(found, ALPHA) > allowed(ALPHA)


def test_noise_a_fifth_too_small_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_small(key: bytes, stage: Stage, block: int, shape: tuple[int, ...], device: object, group: int) -> Tensor:
        return 0.8 * standard_normal(key, stage, block, shape, group=group)

    monkeypatch.setattr(counting, "standard_normal", too_small)
    found = cases_of_two_classes("waveform", NoiseName.FLOAT)
    assert false_certificates(found, ALPHA) > allowed(ALPHA)
    assert false_certificates(found, LOOSE_ALPHA) > allowed(LOOSE_ALPHA)


def test_one_draw_of_noise_for_all_votes_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Votes that are not independent: every block gets the same few draws again."""

    def repeated(key: bytes, stage: Stage, block: int, shape: tuple[int, ...], device: object, group: int) -> Tensor:
        few = standard_normal(key, Stage.SELECTION, 0, (8, *shape[1:]))
        return few.repeat(-(-shape[0] // 8), *(1 for _ in shape[1:]))[: shape[0]]

    monkeypatch.setattr(counting, "standard_normal", repeated)
    found = cases_of_two_classes("waveform", NoiseName.FLOAT)
    assert false_certificates(found, ALPHA) > allowed(ALPHA)
