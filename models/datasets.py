"""Labelled clips from a data set's own folder layout. Offline: nothing in service/ imports this.

Two layouts of Speech Commands (P. Warden 2018, arXiv:1804.03209, CC BY 4.0) are read, told apart by what is there:

* the official archive `speech_commands_v0.02`: a folder of WAV files per word, `validation_list.txt`,
  `testing_list.txt`, `_background_noise_/`;
* a folder with `manifest.csv` (path, label, word, speaker, split, source, samples) and FLAC files.
"""

import csv
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
SILENCE, UNKNOWN = "_silence_", "_unknown_"
WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
CLASSES_12 = tuple(sorted((SILENCE, UNKNOWN, *WORDS)))
OFFICIAL_URL = "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz"
# The official 12-class task draws as many unknown words and silences as 10 % of the words asked for.
OTHER_SHARE = 0.10


@dataclass(frozen=True)
class Clip:
    """One labelled clip: a file, or `frames` of it from frame `start` on."""

    path: Path
    label: str
    split: Split
    start: int = 0
    frames: int = -1

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


def speech_commands(root: Path) -> list[Clip]:
    """All clips of the 12-class task, in a fixed order. FileNotFoundError names the archive when there is none."""
    if (root / "manifest.csv").is_file():
        return _listed(root)
    if (root / "testing_list.txt").is_file():
        return _official(root)
    raise FileNotFoundError(f"no manifest.csv and no testing_list.txt in {root}; unpack {OFFICIAL_URL} there")


def _listed(root: Path) -> list[Clip]:
    with (root / "manifest.csv").open(newline="") as lines:
        return [Clip(root / row["path"], row["label"], row["split"]) for row in csv.DictReader(lines)]  # type: ignore[arg-type]


def _official(root: Path) -> list[Clip]:
    split_of: dict[str, Split] = {}
    for name, split in (("validation_list.txt", "validation"), ("testing_list.txt", "test")):
        for line in (root / name).read_text().split():
            split_of[line] = split  # type: ignore[assignment]
    words: list[Clip] = []
    others: list[Clip] = []
    for path in sorted(root.glob("[!_]*/*.wav")):
        word = path.parent.name
        split = split_of.get(f"{word}/{path.name}", "train")
        (words if word in WORDS else others).append(Clip(path, word if word in WORDS else UNKNOWN, split))
    clips = list(words)
    for split in SPLITS:
        count = round(OTHER_SHARE * sum(clip.split == split for clip in words))
        clips += _fixed_sample([clip for clip in others if clip.split == split], count)
        clips += _silences(sorted((root / "_background_noise_").glob("*.wav")), split, count)
    return clips


def _fixed_sample(clips: Sequence[Clip], count: int) -> list[Clip]:
    """`count` of the clips, chosen by a hash of their names, so the choice never moves."""
    return sorted(clips, key=lambda clip: hashlib.sha256(clip.name.encode()).digest())[:count]


def _silences(recordings: Sequence[Path], split: Split, count: int) -> list[Clip]:
    """`count` one-second cuts; each split has its own stretch of every recording (80 %, 10 %, 10 %)."""
    low, high = {"train": (0.0, 0.8), "validation": (0.8, 0.9), "test": (0.9, 1.0)}[split]
    generator = np.random.default_rng(SPLITS.index(split))
    clips = []
    for i in range(count if recordings else 0):
        path = recordings[i % len(recordings)]
        total, rate = soundfile.info(path).frames, soundfile.info(path).samplerate
        start = int(generator.integers(int(low * total), int(high * total) - rate))
        clips.append(Clip(path, SILENCE, split, start, rate))
    return clips


def load(
    clips: Sequence[Clip], classes: Sequence[str], *, sample_rate_hz: int, clip_samples: int, gain: Gain
) -> tuple[Tensor, Tensor]:
    """Clips as the service prepares them: (clips, clip_samples) float32 and class indices (clips,) int64."""
    waveforms = torch.empty(len(clips), clip_samples)
    for i, clip in enumerate(tqdm(clips, desc="reading", unit="clip", leave=False)):
        prepared = prepare(clip.read(), sample_rate_hz=sample_rate_hz, clip_samples=clip_samples, gain=gain)
        waveforms[i] = prepared.x.float()
    return waveforms, torch.tensor([list(classes).index(clip.label) for clip in clips])


def balanced(clips: Sequence[Clip], classes: Sequence[str], per_class: int) -> list[Clip]:
    """`per_class` clips of every class, chosen by a hash of their names."""
    return [chosen for label in classes for chosen in _fixed_sample([c for c in clips if c.label == label], per_class)]
