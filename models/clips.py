"""Labelled clips: a file or a stretch of one, and how many of them become tensors. Offline, like all of models/."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
import torch
from torch import Tensor
from tqdm import tqdm

from soundproof.audio import wav
from soundproof.audio.prepare import prepare
from soundproof.audio.waveform import Waveform
from soundproof.terms import Gain

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Clip:
    """One labelled clip: a file, or `frames` of it from frame `start` on. It is in a split or, where a data set is
    cross-validated, in a fold (from 1)."""

    path: Path
    label: str
    split: Split | None = None
    start: int = 0
    frames: int = -1
    fold: int | None = None

    @property
    def name(self) -> str:
        """What tells it from all other clips of its data set, wherever that lies: folder, file and, of a cut, where."""
        cut = f"@{self.start}" if self.frames >= 0 else ""
        return f"{self.path.parent.name}/{self.path.name}{cut}"

    def read(self) -> Waveform:
        """The samples as recorded: float32 (channels, frames), full scale 1."""
        if self.path.suffix == ".wav" and self.frames < 0:
            return wav.read(self.path.read_bytes())
        samples, rate = soundfile.read(self.path, self.frames, self.start, dtype="float32", always_2d=True)
        return Waveform(np.ascontiguousarray(samples.T), rate)


def load(
    clips: Sequence[Clip], classes: Sequence[str], *, sample_rate_hz: int, clip_samples: int, gain: Gain
) -> tuple[Tensor, Tensor]:
    """Clips as the service prepares them: (clips, clip_samples) float32 and class indices (clips,) int64."""
    waveforms = torch.empty(len(clips), clip_samples)
    for i, clip in enumerate(tqdm(clips, desc="reading", unit="clip", leave=False)):
        prepared = prepare(clip.read(), sample_rate_hz=sample_rate_hz, clip_samples=clip_samples, gain=gain)
        waveforms[i] = prepared.x.float()
    return waveforms, torch.tensor([list(classes).index(clip.label) for clip in clips], dtype=torch.int64)


def fixed_sample(clips: Sequence[Clip], count: int) -> list[Clip]:
    """`count` of the clips, chosen by a hash of their names, so the choice never moves."""
    return sorted(clips, key=lambda clip: hashlib.sha256(clip.name.encode()).digest())[:count]


def balanced(clips: Sequence[Clip], classes: Sequence[str], per_class: int) -> list[Clip]:
    """`per_class` clips of every class, chosen by a hash of their names."""
    return [chosen for label in classes for chosen in fixed_sample([c for c in clips if c.label == label], per_class)]
