"""The log-mel front end against the same formulas in numpy, and strictly per clip."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torchaudio
from numpy.typing import NDArray
from tests.conftest import YES
from torch import Tensor

from soundproof.audio import wav
from soundproof.nets.logmel import LogMel
from soundproof.nets.specs import LogMelSpec

RATE_HZ, SAMPLES = 16_000, 16_000
SPEC = LogMelSpec()
Floats = NDArray[np.float64]
# Nats. Float32 sums of a power of up to 1e4 beside an epsilon of 1e-3 err by less.
TOLERANCE = 2e-4


def noise(seed: int, clips: int = 1, samples: int = SAMPLES) -> Floats:
    """(clips, samples) waveform amplitude."""
    return np.random.default_rng(seed).standard_normal((clips, samples))


def recorded_yes() -> Floats:
    samples = wav.read(YES.read_bytes()).samples[0].astype(np.float64)
    return np.pad(samples, (0, SAMPLES - len(samples)))


TIME_S = np.arange(SAMPLES) / RATE_HZ
CLIPS: dict[str, Floats] = {
    "noise": noise(0)[0],
    "tone": np.sin(2 * np.pi * 1_000 * TIME_S),
    "chirp": np.sin(2 * np.pi * (100 + 3_500 * TIME_S) * TIME_S),
    "clicks at both ends": np.where(np.isin(np.arange(SAMPLES), (0, 3, SAMPLES - 1)), 1.0, 0.0),
    "silence": np.zeros(SAMPLES),
    "a recorded yes": recorded_yes(),
}


def hertz_to_mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))  # HTK


def mel_to_hertz(mel: Floats) -> Floats:
    triangle_corners: Floats = 700 * (10 ** (mel / 2595) - 1)
    return triangle_corners


def expected_log_mel(waveform: Floats, spec: LogMelSpec) -> Floats:
    """(time,) -> (n_mels, frames): frames centred on multiples of the hop, the ends mirrored, float64 throughout."""
    padded = np.pad(waveform, spec.n_fft // 2, mode="reflect")
    starts = range(0, len(padded) - spec.n_fft + 1, spec.hop_samples)
    frames = np.stack([padded[start : start + spec.n_fft] for start in starts])

    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(spec.window_samples) / spec.window_samples)  # periodic
    before = (spec.n_fft - spec.window_samples) // 2
    window = np.pad(hann, (before, spec.n_fft - spec.window_samples - before))
    power = np.abs(np.fft.rfft(frames * window)) ** 2  # (frames, bins)

    hertz = np.linspace(0, RATE_HZ / 2, spec.n_fft // 2 + 1)
    corners = mel_to_hertz(np.linspace(0, hertz_to_mel(RATE_HZ / 2), spec.n_mels + 2))
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    triangles = np.maximum(0, np.minimum((hertz - low) / (middle - low), (high - hertz) / (high - middle)))
    log_mel: Floats = np.log(triangles @ power.T + spec.log_epsilon)
    return log_mel


def worst_difference_alone(front_end: Callable[[Tensor], Tensor], batch: Tensor) -> float:
    """The largest |f(batch)[i] - f(batch[i : i + 1])| over the batch."""
    together = front_end(batch)
    return max(float((front_end(batch[i : i + 1])[0] - together[i]).abs().max()) for i in range(len(batch)))


@pytest.mark.parametrize("name", CLIPS)
def test_features_are_those_of_the_formulas(name: str) -> None:
    waveform = CLIPS[name]
    found = LogMel(SPEC, RATE_HZ)(torch.from_numpy(waveform).float().unsqueeze(0))[0]
    np.testing.assert_allclose(found.double().numpy(), expected_log_mel(waveform, SPEC), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    "spec",
    [
        LogMelSpec(n_mels=40, n_fft=512, window_samples=512, hop_samples=128),
        LogMelSpec(n_mels=20, n_fft=400, window_samples=301, hop_samples=77, log_epsilon=1e-6),
    ],
)
def test_the_manifests_numbers_reach_the_front_end(spec: LogMelSpec) -> None:
    waveform = noise(1, samples=5_000)[0]
    found = LogMel(spec, RATE_HZ)(torch.from_numpy(waveform).float().unsqueeze(0))[0]
    assert tuple(found.shape) == spec.shape(5_000)
    np.testing.assert_allclose(found.double().numpy(), expected_log_mel(waveform, spec), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(("samples", "frames"), [(16_000, 101), (15_999, 100), (80_000, 501)])
def test_a_clip_gives_64_bands_of_a_frame_per_hop(samples: int, frames: int) -> None:
    assert LogMel(SPEC, RATE_HZ)(torch.zeros(2, samples)).shape == (2, 64, frames)
    assert SPEC.shape(samples) == (64, frames)


def test_silence_gives_the_logarithm_of_epsilon() -> None:
    features = LogMel(SPEC, RATE_HZ)(torch.zeros(1, SAMPLES))
    assert torch.equal(features, torch.full_like(features, float(np.log(SPEC.log_epsilon))))


@pytest.mark.parametrize("loudness", [1.0, 1e4])
def test_a_clips_features_do_not_depend_on_its_batch(loudness: float) -> None:
    batch = torch.from_numpy(noise(2, clips=5)).float()
    batch[3] *= loudness
    assert worst_difference_alone(LogMel(SPEC, RATE_HZ), batch) < 1e-5


def test_a_decibel_scale_with_a_batch_wide_maximum_is_caught() -> None:
    """torchaudio's AmplitudeToDB takes the maximum for top_db over the whole batch of (batch, mel, time)."""
    power = torchaudio.transforms.MelSpectrogram(
        RATE_HZ, n_fft=SPEC.n_fft, hop_length=SPEC.hop_samples, n_mels=SPEC.n_mels
    )
    decibels = torchaudio.transforms.AmplitudeToDB(stype="power", top_db=60.0)
    batch = torch.from_numpy(noise(2, clips=5)).float()
    batch[3] *= 1e4
    assert worst_difference_alone(lambda waveform: decibels(power(waveform)), batch) > 1.0
