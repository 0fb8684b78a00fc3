"""The 12-class task of Speech Commands (P. Warden 2018, arXiv:1804.03209, CC BY 4.0), from either of two layouts.

* the official archive `speech_commands_v0.02`: a folder of WAV files per word, `validation_list.txt`,
  `testing_list.txt`, `_background_noise_/`;
* a folder with `manifest.csv` (path, label, word, speaker, split, source, samples) and FLAC files.
"""

import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from clips import SPLITS, Clip, Split, fixed_sample

SILENCE, UNKNOWN = "_silence_", "_unknown_"
WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
CLASSES_12 = tuple(sorted((SILENCE, UNKNOWN, *WORDS)))
# The official 12-class task draws as many unknown words and silences as 10 % of the words asked for.
OTHER_SHARE = 0.10
# The archive's own rule puts a speaker's recordings of a word into one split by a hash of the speaker's id.
HASH_BUCKETS = 2**27 - 1
VALIDATION_SHARE, TESTING_SHARE = 0.10, 0.10


def read(root: Path) -> list[Clip] | None:
    """All clips of the task, in a fixed order; None where neither layout is there."""
    if (root / "manifest.csv").is_file():
        return _listed(root)
    if any((root / word).is_dir() for word in WORDS):
        return _official(root)
    return None


def split_by_hash(name: str) -> Split:
    """The split of `<speaker>_nohash_<take>.wav` by the rule of arXiv:1804.03209, section 7, which the archive's lists
    were made with: the SHA-1 of what stands before `_nohash_`, so that all takes of a speaker stay together."""
    speaker = name.rpartition("/")[2].partition("_nohash_")[0]
    place = int(hashlib.sha1(speaker.encode()).hexdigest(), 16) % (HASH_BUCKETS + 1) / HASH_BUCKETS  # noqa: S324
    if place < VALIDATION_SHARE:
        return "validation"
    return "test" if place < VALIDATION_SHARE + TESTING_SHARE else "train"


def _listed(root: Path) -> list[Clip]:
    with (root / "manifest.csv").open(newline="") as lines:
        return [Clip(root / row["path"], row["label"], row["split"]) for row in csv.DictReader(lines)]  # type: ignore[arg-type]


def _official(root: Path) -> list[Clip]:
    lists = {split: root / f"{name}_list.txt" for split, name in (("validation", "validation"), ("test", "testing"))}
    listed = {line: split for split, path in lists.items() if path.is_file() for line in path.read_text().split()}

    def split_of(name: str) -> Split:
        """By the archive's lists; by the rule behind them where they are not there."""
        return listed.get(name, "train") if listed else split_by_hash(name)  # type: ignore[return-value]

    words: list[Clip] = []
    others: list[Clip] = []
    for path in sorted(root.glob("[!_]*/*.wav")):
        word = path.parent.name
        clip = Clip(path, word if word in WORDS else UNKNOWN, split_of(f"{word}/{path.name}"))
        (words if word in WORDS else others).append(clip)
    clips = list(words)
    for split in SPLITS:
        count = round(OTHER_SHARE * sum(clip.split == split for clip in words))
        clips += fixed_sample([clip for clip in others if clip.split == split], count)
        clips += _silences(sorted((root / "_background_noise_").glob("*.wav")), split, count)
    return clips


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
