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
from functools import cache

import numpy as np
import torch
from tests.smoothing.clips import prepared
from tests.smoothing.plans import plan_with
from torch import Tensor

from soundproof.nets.classifier import Linear
from soundproof.smoothing import voting
from soundproof.smoothing.certification import Abstained, Certification, Certified
from soundproof.smoothing.contracts import WaveformContract, centre
from soundproof.smoothing.plan import NoiseName

SAMPLES, SIGMA = 16_000, 0.5
AROUND_0, AROUND_C = 0, 1
C = SIGMA * 5 / 512
CLIPS = {
    AROUND_0: prepared(np.zeros(SAMPLES)),
    AROUND_C: prepared(np.full(SAMPLES, C)),
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


@cache
def outcome(place: int, noise: NoiseName) -> Certified | Abstained:
    """As the service finds it, with the noise, the votes, the bounds and the radius that are its own."""
    fields = {"classes": 2, "dimension": SAMPLES, "sigma": SIGMA, "clip_sha256": f"point {place}"}
    plan = plan_with(noise=noise, n0=100, n=1000, alpha=0.001, seed=1, **fields)
    point = centre(plan, CONTRACT, CLIPS[place])
    run = Certification(plan)
    blocks = run.wanted()
    votes = voting.vote_all(CONTRACT, point, plan, blocks, chunk_samples=32)
    for block, counted in zip(blocks, votes, strict=True):
        run.record(block, counted)
    return run.outcome()


def test_float_noise_certifies_two_answers_for_one_ball() -> None:
    """At x it certifies a radius, and at x', at half that distance, the same smoothed classifier answers otherwise."""
    for place in CLIPS:
        found = outcome(place, NoiseName.FLOAT)
        assert isinstance(found, Certified)
        assert found.prediction == place, "the classifier knows by last bits which clip it hears"
        assert found.radius > 1.9 * DISTANCE


def test_no_function_of_exact_gaussians_could_earn_those_certificates() -> None:
    """The best one, which projects on x' - x, is right of both points with probability Phi(distance / 2 sigma) only,
    which shows no radius beyond half the distance: the certificates above are false, and not by bad luck."""
    assert 0.5 * DISTANCE / SIGMA < 0.65
    assert 0.5 * (1 + math.erf(0.5 * DISTANCE / SIGMA / math.sqrt(2))) < 0.75


def test_lattice_noise_does_not() -> None:
    """Any two certificates whose balls reach the other's centre name one class."""
    one, other = (outcome(place, NoiseName.LATTICE) for place in CLIPS)
    if isinstance(one, Certified) and isinstance(other, Certified):
        assert one.prediction == other.prediction or one.radius + other.radius < DISTANCE


def test_lattice_noise_still_certifies() -> None:
    """The agreement is not that of two abstentions: all that is heard is a multiple of sigma 2^-30, around 0 too."""
    for place in CLIPS:
        found = outcome(place, NoiseName.LATTICE)
        assert isinstance(found, Certified)
        assert found.prediction == AROUND_C
        assert found.radius > 1.9 * DISTANCE
