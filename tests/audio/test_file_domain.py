"""The lift to the uploaded samples, held against explicit matrices and worst directions."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from soundproof.audio.facts import ClipFacts
from soundproof.audio.file_domain import FileDomain, file_domain
from soundproof.audio.prepare import prepare
from soundproof.audio.waveform import Waveform
from soundproof.terms import Gain, GainPolicy

HELD = Gain(GainPolicy.NONE)
RMS_1 = Gain(GainPolicy.RMS, 1.0)
PEAK_1 = Gain(GainPolicy.PEAK, 1.0)
POLICIES = pytest.mark.parametrize("gain", [HELD, RMS_1, PEAK_1], ids=lambda gain: str(gain.policy))
# Rate, channels, frames: nothing to do, stereo, downsampling, upsampling of a cropped stereo clip.
SHAPES = pytest.mark.parametrize("shape", [(16000, 1, 40), (16000, 2, 40), (48000, 1, 300), (8000, 2, 60)], ids=str)
CLIP_SAMPLES = 100

Shape = tuple[int, int, int]


def carried_back(radius: float, facts: ClipFacts) -> FileDomain:
    """The file domain of a radius that rounding does not use up."""
    found = file_domain(radius, facts)
    assert found is not None
    return found


@dataclass(frozen=True)
class Case:
    """A clip, the explicit matrix A of its preparation (CLIP_SAMPLES, channels * frames), and its facts."""

    file: Tensor  # (channels * frames,) float64
    matrix: Tensor
    gain: Gain
    facts: ClipFacts

    def recomputed(self, file: Tensor) -> Tensor:
        """(CLIP_SAMPLES,): what a pipeline that computes the gain afresh makes of a perturbed file."""
        linear = self.matrix @ file
        match self.gain.policy:
            case GainPolicy.RMS:
                return linear / linear.square().mean().sqrt()
            case GainPolicy.PEAK:
                return linear / linear.abs().max()
            case GainPolicy.NONE:
                return linear

    def moved(self, perturbation: Tensor) -> float:
        change = self.recomputed(self.file + perturbation) - self.recomputed(self.file)
        return float(torch.linalg.vector_norm(change))


@lru_cache
def explicit_matrix(shape: Shape) -> Tensor:
    rate_hz, channels, frames = shape
    units = np.eye(channels * frames, dtype=np.float32).reshape(-1, channels, frames)
    images = [
        prepare(Waveform(unit, rate_hz), sample_rate_hz=16000, clip_samples=CLIP_SAMPLES, gain=HELD).x for unit in units
    ]
    return torch.stack(images, dim=1)


def make_case(shape: Shape, gain: Gain, seed: int = 0) -> Case:
    rate_hz, channels, frames = shape
    samples = np.random.default_rng(seed).normal(scale=0.2, size=(channels, frames)).astype(np.float32)
    clip = prepare(Waveform(samples, rate_hz), sample_rate_hz=16000, clip_samples=CLIP_SAMPLES, gain=gain)
    file = torch.from_numpy(samples.astype(np.float64).ravel())
    case = Case(file, explicit_matrix(shape), gain, clip.facts)
    torch.testing.assert_close(case.recomputed(file), clip.x, rtol=0, atol=1e-12)
    return case


def attacks(case: Case, norm: float) -> list[Tensor]:
    """Perturbations of a norm: random ones, steps along singular vectors, and gradient ascent on the movement of x."""
    generator = torch.Generator().manual_seed(7)
    _, _, right = torch.linalg.svd(case.matrix, full_matrices=False)
    starts = [torch.randn(len(case.file), generator=generator, dtype=torch.float64) for _ in range(4)]
    starts += [*right[:3], -right[0], -case.file, case.file]
    # The largest sample of A a is what a peak gain hangs on: push it down and up.
    peak_row = case.matrix[(case.matrix @ case.file).abs().argmax()]
    starts += [peak_row, -peak_row]
    found = []
    clean = case.recomputed(case.file)
    for start in starts:
        point = start * (norm / torch.linalg.vector_norm(start))
        found.append(point)
        for _ in range(25):
            point = point.detach().requires_grad_()
            movement = torch.linalg.vector_norm(case.recomputed(case.file + point) - clean)
            (gradient,) = torch.autograd.grad(movement, point)
            point = gradient * (norm / torch.linalg.vector_norm(gradient))
            found.append(point.detach())
    return found


def worst(case: Case, norm: float) -> float:
    return max(case.moved(perturbation) for perturbation in attacks(case, norm))


@SHAPES
@POLICIES
def test_held_radius_keeps_the_worst_direction_within_the_radius(shape: Shape, gain: Gain) -> None:
    case = make_case(shape, gain)
    radius = 0.05 * case.facts.norm
    lifted = carried_back(radius, case.facts)
    _, values, right = torch.linalg.svd(case.matrix, full_matrices=False)
    moved = float(torch.linalg.vector_norm(case.facts.gain * (case.matrix @ (right[0] * lifted.radius))))
    assert 0.97 * radius <= moved <= radius
    assert float(values[0]) <= lifted.operator_norm


@SHAPES
@POLICIES
@pytest.mark.parametrize("fraction", [0.01, 0.3, 1.0, 1.7])
def test_no_attack_at_the_recomputed_radius_moves_x_by_more_than_the_radius(
    shape: Shape, gain: Gain, fraction: float
) -> None:
    case = make_case(shape, gain)
    radius = fraction * case.facts.norm
    assert worst(case, carried_back(radius, case.facts).gain_recomputed.radius) <= radius


@pytest.mark.parametrize("fraction", [0.01, 0.3, 1.0, 1.4])
def test_recomputed_rms_radius_is_reached_in_the_plane_of_the_clip(fraction: float) -> None:
    """A is the identity here, so the nearest point at the certified angle is a perturbation of the file itself."""
    case = make_case((16000, 1, CLIP_SAMPLES), RMS_1)
    radius = fraction * case.facts.norm
    lifted = carried_back(radius, case.facts).gain_recomputed
    along = case.file / torch.linalg.vector_norm(case.file)
    across = torch.randn(len(case.file), generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    across -= along * (along @ across)
    across /= torch.linalg.vector_norm(across)
    angle = 2 * math.asin(fraction / 2)
    shortest = -along * math.sin(angle) + across * math.cos(angle)  # orthogonal to the ray at that angle
    assert lifted.exact
    assert case.moved(shortest * lifted.radius) <= radius
    assert case.moved(shortest * lifted.radius) == pytest.approx(radius, rel=1e-6)
    assert case.moved(shortest * lifted.radius * (1 + 1e-6)) > radius


def test_recomputed_rms_radius_stops_short_of_silence() -> None:
    case = make_case((16000, 1, CLIP_SAMPLES), RMS_1)
    for fraction in (math.sqrt(2) * (1 + 1e-11), 1.7, 2.0, 5.0):
        lifted = carried_back(fraction * case.facts.norm, case.facts).gain_recomputed
        assert lifted.radius < case.facts.linear_norm
        assert lifted.radius == pytest.approx(case.facts.linear_norm, rel=1e-11)
        assert not lifted.exact


def test_recomputed_radius_without_a_gain_is_the_held_one() -> None:
    lifted = carried_back(0.5, make_case((16000, 2, 40), HELD).facts)
    assert lifted.gain_recomputed.exact
    assert lifted.gain_recomputed.radius == lifted.radius
    assert lifted.gain_recomputed.snr_db == lifted.snr_db


def test_recomputed_peak_radius_is_not_far_from_what_an_attack_on_the_peak_reaches() -> None:
    """One sample far above the rest: lowering it raises all others, which the held radius does not see."""
    samples = np.full((1, CLIP_SAMPLES), 0.2, np.float32)
    samples[0, 50] = 0.8
    clip = prepare(Waveform(samples, 16000), sample_rate_hz=16000, clip_samples=CLIP_SAMPLES, gain=PEAK_1)
    file = torch.from_numpy(samples[0].astype(np.float64))
    case = Case(file, torch.eye(CLIP_SAMPLES, dtype=torch.float64), PEAK_1, clip.facts)
    lifted = carried_back(0.1, clip.facts)
    lowered = torch.zeros(CLIP_SAMPLES, dtype=torch.float64)
    lowered[50] = -1.0
    assert not lifted.gain_recomputed.exact
    assert 0.5 * 0.1 <= worst(case, lifted.gain_recomputed.radius) <= 0.1
    assert case.moved(lowered * lifted.radius) > 0.1


def test_known_values_of_a_clip_at_rms_1() -> None:
    """16,000 samples at RMS 0.07 and the ceiling of n = 10,000 at sigma 0.02: 65.93 dB, printed rounded up."""
    samples = np.full((1, 16000), 0.07, np.float32)
    facts = prepare(Waveform(samples, 16000), sample_rate_hz=16000, clip_samples=16000, gain=RMS_1).facts
    lifted = carried_back(0.0639715, facts)
    assert lifted.radius == pytest.approx(0.0639715 * 0.07, rel=1e-6)
    assert lifted.snr_db == pytest.approx(65.92147, abs=1e-5)
    assert lifted.radius_lsb == pytest.approx(0.0639715 * 0.07 * 32768, rel=1e-6)
    assert lifted.radius_dbfs == pytest.approx(20 * math.log10(0.0639715 * 0.07 / math.sqrt(16000)), abs=1e-6)
    assert lifted.gain_recomputed.radius == pytest.approx(lifted.radius, rel=1e-6)
    assert lifted.gain_recomputed.radius < lifted.radius


def norms(lifted: FileDomain) -> NDArray[np.float64]:
    return np.array([lifted.radius, lifted.gain_recomputed.radius])


@SHAPES
@POLICIES
def test_radii_are_rounded_down_and_snrs_up(shape: Shape, gain: Gain) -> None:
    facts = make_case(shape, gain).facts
    lifted = carried_back(0.37, facts)
    assert lifted.radius < 0.37 / (facts.gain * facts.operator_norm)
    assert lifted.radius == pytest.approx(0.37 / (facts.gain * facts.operator_norm), rel=1e-11)
    for radius, snr in zip(norms(lifted), (lifted.snr_db, lifted.gain_recomputed.snr_db), strict=True):
        assert snr is not None
        exact = 20 * math.log10(facts.file_norm / radius)
        assert exact <= snr <= exact + 1e-6
    level = 20 * math.log10(lifted.radius / math.sqrt(facts.channels * facts.frames))
    assert level - 1e-6 <= lifted.radius_dbfs < level


def test_a_silent_file_has_a_radius_but_no_snr() -> None:
    silence = Waveform(np.zeros((1, 10), np.float32), 16000)
    facts = prepare(silence, sample_rate_hz=16000, clip_samples=10, gain=HELD).facts
    lifted = carried_back(0.5, facts)
    assert lifted.radius == pytest.approx(0.5)
    assert lifted.snr_db is None
    assert lifted.gain_recomputed.snr_db is None


@pytest.mark.parametrize("radius", [0.0, -1.0, math.inf, math.nan])
def test_what_is_no_radius_is_refused(radius: float) -> None:
    facts = make_case((16000, 1, 4), RMS_1).facts
    with pytest.raises(ValueError, match="positive and finite"):
        carried_back(radius, facts)


def test_a_larger_operator_norm_never_gives_a_larger_radius() -> None:
    facts = make_case((16000, 1, 40), RMS_1).facts
    assert (norms(carried_back(1.0, replace(facts, operator_norm=1.2))) < norms(carried_back(1.0, facts))).all()


@SHAPES
def test_a_radius_that_the_rounding_of_the_preparation_may_use_up_is_not_carried_back(shape: Shape) -> None:
    facts = make_case(shape, RMS_1).facts
    rounding = 2.0**-42 * facts.gain * facts.operator_norm * facts.file_norm
    assert file_domain(rounding, facts) is None
    just = carried_back(3 * rounding, facts)
    assert just.radius == pytest.approx(2 * rounding / (facts.gain * facts.operator_norm), rel=1e-9)


@pytest.mark.parametrize("rate_hz", [16000, 44100, 48000, 192000])
def test_the_prepared_clip_is_the_image_of_the_file_up_to_that_rounding(rate_hz: int) -> None:
    """A clip whose channels nearly cancel, against its mean, which is exact in float64."""
    left = np.random.default_rng(rate_hz).standard_normal(300).astype(np.float32)
    right = (-left + 1e-5 * np.random.default_rng(1).standard_normal(300).astype(np.float32)).astype(np.float32)
    clip = prepare(Waveform(np.stack([left, right]), rate_hz), sample_rate_hz=16000, clip_samples=60, gain=RMS_1)
    mean = Waveform(((left.astype(np.float64) + right) / 2)[None], rate_hz)
    again = prepare(mean, sample_rate_hz=16000, clip_samples=60, gain=RMS_1)
    slack = 2.0**-42 * clip.facts.gain * clip.facts.operator_norm * clip.facts.file_norm
    assert float((clip.x - again.x).norm()) <= slack
