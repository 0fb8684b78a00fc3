"""What floating point can do to a certificate, and that the lattice undoes it (in the spirit of Voracek and Hein, ICLR
2023, and Jin et al., arXiv:2205.10159).

The classifier here looks at last bits. Around x = 0 the float noise gives y = float32(0 + sigma z), z a float32: the
smaller |z|, the finer its last bit, so that a y below sigma / 1024 is hardly ever a multiple of sigma 2^-30. Around
x' = c = sigma 5 / 512 in every number, a small y = c + sigma z needs a z near -5 / 512, whose last bit is 2^-30; c is a
multiple of sigma 2^-30 too, and so is every such y. Of 16,000 numbers about 12 are that small in every noised clip.
The classifier answers "around c" where all of them are multiples of sigma 2^-30, else "around 0", and is right almost
always. Among real numbers this could not be: x' is only half a radius away, and under Gaussians that close no function
whatever is right that often.

Float noise: both clips are certified, for different classes, and each lies well within the ball of the other. The
smoothed classifier, under the very sampling that the service uses, does not answer around 0 what the certificate at 0
says; nor would the exact one, which cannot have two answers at one place.

Lattice noise: what is heard has the same last bits around every clip. The votes agree again, so do the certificates.

Seeds are fixed. Over the choice of seeds, float noise misleads the classifier (a small y that is a multiple by chance
in all of 12 places, or no small y at all) in about one vote of 100,000, far too seldom to cost the certificates.
"""

import math
from dataclasses import dataclass

import pytest
import torch
from tests.smoothing.plans import plan_with
from torch import Tensor

from soundproof.nets.classifier import Linear
from soundproof.smoothing import voting
from soundproof.smoothing.certification import Abstained, Certification, Certified, Votes
from soundproof.smoothing.contracts import WaveformContract
from soundproof.smoothing.lattice import Lattice
from soundproof.smoothing.lattice_noise import lattice_normal, noised, snap
from soundproof.smoothing.plan import Block, Plan
from soundproof.stats.bounds import error_upper_bound
from soundproof.stats.radius import radius

SAMPLES, SIGMA = 16_000, 0.5
AROUND_0, AROUND_C = 0, 1
C = SIGMA * 5 / 512
POINTS = {
    AROUND_0: torch.zeros(SAMPLES, dtype=torch.float64),
    AROUND_C: torch.full((SAMPLES,), C, dtype=torch.float64),
}
DISTANCE = C * math.sqrt(SAMPLES)  # between the two points


class LooksAtLastBits(Linear):
    """A deterministic function of each float32 clip by itself."""

    def head(self, features: Tensor) -> Tensor:
        small = features.abs() < SIGMA / 1024
        steps = features.double() / (SIGMA * 2.0**-30)
        around_c = (~small | (steps == steps.round())).all(dim=1) & small.any(dim=1)
        return torch.nn.functional.one_hot(around_c.long(), 2).float()


CONTRACT = WaveformContract(LooksAtLastBits(1, 2))


@dataclass(frozen=True)
class Claim:
    prediction: int
    radius: float


def plan_at(place: int) -> Plan:
    return plan_with(classes=2, sigma=SIGMA, n0=100, n=1000, alpha=0.001, seed=1, clip_sha256=f"point {place}")


def outcome(plan: Plan, votes: dict[Block, Votes]) -> Certified | Abstained:
    run = Certification(plan)
    for block in run.wanted():
        run.record(block, votes[block])
    return run.outcome()


def float_claim(place: int) -> Claim | None:
    """The service's float noise, bounds and radius."""
    plan = plan_at(place)
    blocks = Certification(plan).wanted()
    votes = voting.vote_all(CONTRACT, POINTS[place], plan, blocks, chunk_samples=32)
    found = outcome(plan, dict(zip(blocks, votes, strict=True)))
    return Claim(found.prediction, found.radius) if isinstance(found, Certified) else None


def lattice_votes(lattice: Lattice, point: Tensor, plan: Plan, block: Block) -> Votes:
    noise = lattice_normal(lattice, plan.noise_stream, block.stage, block.index, (block.samples, SAMPLES))
    decided = CONTRACT.decide(noised(point, noise))
    return Votes(tuple(torch.bincount(decided, minlength=plan.classes).tolist()))


def lattice_claim(place: int) -> Claim | None:
    """The same with lattice noise, and what its radius loses."""
    plan, lattice = plan_at(place), Lattice(SIGMA)
    point = snap(lattice, POINTS[place])
    votes = {block: lattice_votes(lattice, point, plan, block) for block in Certification(plan).wanted()}
    found = outcome(plan, votes)
    if isinstance(found, Abstained):
        return None
    error_upper = error_upper_bound(found.tally.estimation[found.prediction], plan.n, plan.bound_alpha)
    reach = radius(SIGMA, error_upper + lattice.error_slack(SAMPLES)) or 0.0
    held = reach - lattice.distance_slack(SAMPLES)
    return Claim(found.prediction, held) if held > 0 else None


@pytest.fixture(scope="module")
def float_claims() -> dict[int, Claim | None]:
    return {place: float_claim(place) for place in POINTS}


@pytest.fixture(scope="module")
def lattice_claims() -> dict[int, Claim | None]:
    return {place: lattice_claim(place) for place in POINTS}


def test_float_noise_certifies_two_answers_for_one_ball(float_claims: dict[int, Claim | None]) -> None:
    """At x it certifies a radius, and at x', at half that distance, the same smoothed classifier answers otherwise."""
    for place, claim in float_claims.items():
        assert claim is not None
        assert claim.prediction == place, "the classifier knows by last bits which clip it hears"
        assert claim.radius > 1.9 * DISTANCE


def test_no_function_of_exact_gaussians_could_earn_those_certificates() -> None:
    """The best one, which projects on x' - x, is right of both points with probability Phi(distance / 2 sigma) only,
    which shows no radius beyond half the distance: the certificates above are false, and not by bad luck."""
    assert 0.5 * DISTANCE / SIGMA < 0.65
    assert 0.5 * (1 + math.erf(0.5 * DISTANCE / SIGMA / math.sqrt(2))) < 0.75


def test_lattice_noise_does_not(lattice_claims: dict[int, Claim | None]) -> None:
    """Any two certificates whose balls reach the other's centre name one class."""
    one, other = lattice_claims[AROUND_0], lattice_claims[AROUND_C]
    assert one is None or other is None or one.prediction == other.prediction or one.radius + other.radius < DISTANCE


def test_lattice_noise_still_certifies(lattice_claims: dict[int, Claim | None]) -> None:
    """The agreement is not that of two abstentions: all that is heard is a multiple of sigma 2^-30, around 0 too."""
    for claim in lattice_claims.values():
        assert claim is not None
        assert claim.prediction == AROUND_C
        assert claim.radius > 1.9 * DISTANCE
