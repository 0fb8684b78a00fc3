"""From a decoded file to the model's input: mono mix, resampling, centred crop or pad, gain.

The first three are one linear map A; the gain is a scalar s. Keeping them apart, in float64, is what lets a radius
around x = s * A * a be carried back to the uploaded samples a (file_domain.py).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from soundproof.audio.facts import ClipFacts
from soundproof.audio.resample import operator_norm, resample, resampled_frames
from soundproof.audio.waveform import Waveform
from soundproof.errors import SilentAudio
from soundproof.terms import Gain, GainPolicy

# What the linear steps leave of a file, as a share of the most they could: below this it is mostly their rounding.
SILENT_SHARE = 2.0**-26


@dataclass(frozen=True, eq=False)
class Prepared:
    """`x`: (time,) float64, the clip as the model hears it; `facts`: how it came about."""

    x: Tensor
    facts: ClipFacts

    def to(self, device: torch.device | str) -> "Prepared":
        """The same clip with `x` on `device`."""
        return Prepared(self.x.to(device), self.facts)


def prepare(waveform: Waveform, *, sample_rate_hz: int, clip_samples: int, gain: Gain) -> Prepared:
    """Bring a clip to the model's rate (`sample_rate_hz`), length (`clip_samples`) and level (`gain`).

    Mono is the mean of the channels. Crop and zero padding are centred: of an odd number of frames to drop or to add,
    the extra one is at the end. RMS is taken over all `clip_samples` samples, padding included. Only the part of the
    file that reaches x is resampled, so the cost grows with the clip's length at the model, not with the file's.

    Raises SilentAudio if the gain policy needs a level and the part that reaches the model has none (SILENT_SHARE), and
    UnsupportedRate if the two rates have no short ratio.
    """
    linear, cropped_frames, padded_frames = _linear(waveform, sample_rate_hz, clip_samples)
    norm_bound = _mix_norm(waveform.channels) * operator_norm(waveform.sample_rate_hz, sample_rate_hz)
    scale = _scale(linear, gain, least_norm=SILENT_SHARE * norm_bound * waveform.norm)
    x = linear * scale
    done = {
        "mono": waveform.channels > 1,
        "resample": waveform.sample_rate_hz != sample_rate_hz,
        "crop_pad": cropped_frames + padded_frames > 0,
        "gain": gain.policy is not GainPolicy.NONE,
    }
    facts = ClipFacts(
        sample_rate_hz=waveform.sample_rate_hz,
        channels=waveform.channels,
        frames=waveform.frames,
        duration_s=waveform.duration_s,
        rms_dbfs=waveform.rms_dbfs,
        peak_dbfs=waveform.peak_dbfs,
        file_norm=waveform.norm,
        steps=tuple(step for step, was_done in done.items() if was_done),
        cropped_frames=cropped_frames,
        padded_frames=padded_frames,
        gain_policy=gain.policy,
        gain_target=gain.target,
        gain=scale,
        operator_norm=norm_bound,
        linear_norm=_norm(linear),
        norm=_norm(x),
        peak=float(x.abs().max()),
        dimension=clip_samples,
        prepared_rate_hz=sample_rate_hz,
    )
    return Prepared(x=x, facts=facts)


def _linear(waveform: Waveform, sample_rate_hz: int, clip_samples: int) -> tuple[Tensor, int, int]:
    """A * a: (clip_samples,) float64, with the frames dropped and the zeros added."""
    frames = resampled_frames(waveform.frames, waveform.sample_rate_hz, sample_rate_hz)
    cropped, padded = max(frames - clip_samples, 0), max(clip_samples - frames, 0)
    first = cropped // 2
    rate, last = waveform.sample_rate_hz, first + frames - cropped
    mixed = resample(waveform.samples, rate, sample_rate_hz, first, last, mono=True)[0]  # (frames - cropped,)
    before = padded // 2
    return torch.nn.functional.pad(mixed, (before, padded - before)), cropped, padded


def _mix_norm(channels: int) -> float:
    """The norm of the mean of `channels` channels, 1/sqrt(channels), rounded up. (That of crop and pad is 1.)"""
    return 1.0 if channels == 1 else math.nextafter(1 / math.sqrt(channels), math.inf)


def _scale(linear: Tensor, gain: Gain, *, least_norm: float) -> float:
    if gain.target is None:
        return 1.0
    if _norm(linear) <= least_norm:
        raise SilentAudio(
            "The part of the clip that the model hears is digital silence, so no gain brings it to the model's level.",
            "Send a clip with sound in it; channels that cancel each other in the mono mix are silence too.",
        )
    level = float(linear.abs().max()) if gain.policy is GainPolicy.PEAK else _norm(linear) / math.sqrt(linear.numel())
    return gain.target / level


def _norm(vector: Tensor) -> float:
    return float(torch.linalg.vector_norm(vector))
