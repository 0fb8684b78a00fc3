"""Small data sets on disk, in the layouts that are read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

import esc
from speech_commands import WORDS

RATE_HZ, SAMPLES = 16_000, 1_600
NOISE_S = 12
# Clips per word and split in the small archive of Speech Commands.
COUNTS = {"train": 4, "validation": 2, "test": 1}
OTHERS = ("bed", "cat", "dog")
SHARED = Path(__file__).parents[3] / "shared" / "data"


def write_wav(path: Path, frames: int, seed: Sequence[int] | int, hum_hz: float = 0.0) -> None:
    """White noise, 16 bits, with a hum in it if asked for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hum = 0.1 * np.sin(2 * np.pi * hum_hz * np.arange(frames) / RATE_HZ)
    samples = hum + (0.02 if hum_hz else 0.1) * np.random.default_rng(seed).standard_normal(frames)
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_16")


def write_speech_commands(root: Path) -> Path:
    """The official layout: a folder per word, background noise, and lists of what is not for training."""
    lists: dict[str, list[str]] = {"validation": [], "test": []}
    for number, word in enumerate((*WORDS, *OTHERS)):
        for split, count in COUNTS.items():
            for take in range(count):
                name = f"{word}/{split}{number:02}_nohash_{take}.wav"
                write_wav(root / name, SAMPLES, seed=number)
                if split != "train":
                    lists[split].append(name)
    for number, name in enumerate(("running_tap", "white_noise")):
        write_wav(root / "_background_noise_" / f"{name}.wav", NOISE_S * RATE_HZ, seed=100 + number)
    (root / "_background_noise_" / "README.md").write_text("not audio")
    (root / "LICENSE").write_text("not audio either")
    (root / "validation_list.txt").write_text("\n".join(lists["validation"]) + "\n")
    (root / "testing_list.txt").write_text("\n".join(lists["test"]) + "\n")
    return root


def write_manifest(root: Path, splits: dict[str, int], samples: int = SAMPLES) -> Path:
    """Speech Commands with a manifest: so many clips of every class in each split, each class humming in its pitch."""
    rows = ["path,label,word,speaker,split,source,samples"]
    for number, label in enumerate(sorted((*WORDS, "_silence_", "_unknown_"))):
        for split, count in splits.items():
            for take in range(count):
                name = f"{label}/{split}-{take}.wav"
                write_wav(root / name, samples, (number, take, len(split)), hum_hz=300 + 200 * number)
                rows.append(f"{name},{label},,,{split},here,{samples}")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


def write_esc(root: Path, folds: Sequence[int] = esc.FOLDS, samples: int = SAMPLES, per_class: int = 1) -> Path:
    """The official layout of ESC-50, so many clips of every class in each fold."""
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for target, category in enumerate(esc.CLASSES_50):
        for fold in folds:
            for take in range(per_class):
                name = f"{fold}-{1000 * target + take}-A-{target}.wav"
                write_wav(root / "audio" / name, samples, (target, fold, take), hum_hz=200 + 100 * target)
                rows.append(f"{name},{fold},{target},{category},{category in esc.NAMES_10},{1000 * target + take},A")
    (root / "meta").mkdir()
    (root / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n")
    return root
