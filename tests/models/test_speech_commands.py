"""Reading Speech Commands: the official archive's layout and the one with a manifest."""

import csv
import hashlib
import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.models.made_data import COUNTS, NOISE_S, OTHERS, RATE_HZ, SAMPLES, SHARED, write_speech_commands, write_wav

from clips import SPLITS, Clip
from speech_commands import CLASSES_12, SILENCE, UNKNOWN, WORDS, read, split_by_hash


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speech_commands(tmp_path_factory.mktemp("speech_commands"))


@pytest.fixture(scope="module")
def clips(archive: Path) -> list[Clip]:
    return read(archive) or []


def test_the_classes_are_the_ten_words_silence_and_unknown() -> None:
    assert len(CLASSES_12) == 12
    assert set(CLASSES_12) == {*WORDS, SILENCE, UNKNOWN}


def test_the_official_lists_decide_the_split(clips: list[Clip]) -> None:
    for clip in clips:
        if clip.label != SILENCE:
            assert clip.path.name.startswith(str(clip.split)), clip
    for word in WORDS:
        for split in SPLITS:
            assert sum(c.label == word and c.split == split for c in clips) == COUNTS[split]


def which_set(filename: str) -> str:
    """The rule as arXiv:1804.03209, section 7, prints it, for ten percent each."""
    base_name = os.path.basename(filename)  # noqa: PTH119
    hash_name = re.sub(r"_nohash_.*$", "", base_name)
    hash_name_hashed = hashlib.sha1(hash_name.encode("utf-8")).hexdigest()  # noqa: S324
    percentage_hash = (int(hash_name_hashed, 16) % (2**27 - 1 + 1)) * (100.0 / (2**27 - 1))
    if percentage_hash < 10.0:
        return "validation"
    return "test" if percentage_hash < 20.0 else "train"


def test_the_hash_rule_is_the_published_one() -> None:
    names = [f"yes/{number:08x}_nohash_{number % 5}.wav" for number in range(5_000)]
    assert [split_by_hash(name) for name in names] == [which_set(name) for name in names]


def test_all_takes_of_a_speaker_are_in_one_split() -> None:
    for number in range(200):
        speaker = f"{number * 7919:08x}"
        assert len({split_by_hash(f"{word}/{speaker}_nohash_{take}.wav") for word in WORDS for take in range(3)}) == 1


def test_about_a_tenth_of_speakers_is_for_validation_and_a_tenth_for_testing() -> None:
    found = [split_by_hash(f"yes/{number:08x}_nohash_0.wav") for number in range(10_000)]
    for split in ("validation", "test"):
        assert abs(found.count(split) - 1000) < 5 * 30  # five standard deviations


def test_the_official_test_set_is_where_the_hash_rule_puts_it() -> None:
    """Every spoken clip of the published test set, by the name that it still has."""
    manifest = SHARED / "speech_commands" / "manifest.csv"
    if not manifest.is_file():
        pytest.skip("Speech Commands is not at hand")
    with manifest.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["source"] == "test-set-v0.02" and row["speaker"]]
    assert len(rows) == 3_875
    assert {split_by_hash(f"{row['speaker']}_nohash_0.wav") for row in rows} == {"test"}


def test_without_its_lists_an_archive_is_divided_by_the_hash_rule(tmp_path: Path) -> None:
    root = write_speech_commands(tmp_path)
    for name in ("validation_list.txt", "testing_list.txt"):
        (root / name).unlink()
    found = [clip for clip in read(root) or [] if clip.label in WORDS]
    assert len(found) == len(WORDS) * sum(COUNTS.values())
    assert all(clip.split == split_by_hash(clip.path.name) for clip in found)


@pytest.mark.parametrize("label", [UNKNOWN, SILENCE])
@pytest.mark.parametrize("split", SPLITS)
def test_unknown_and_silence_are_each_a_tenth_of_the_words(clips: list[Clip], label: str, split: str) -> None:
    words = sum(clip.label in WORDS for clip in clips if clip.split == split)
    assert sum(clip.label == label for clip in clips if clip.split == split) == words // 10


def test_unknown_clips_are_other_words(clips: list[Clip]) -> None:
    unknown = [clip for clip in clips if clip.label == UNKNOWN]
    assert {clip.path.parent.name for clip in unknown} <= set(OTHERS)
    assert len({clip.path for clip in unknown}) == len(unknown)


def test_silences_are_seconds_of_noise_and_each_split_has_its_own_stretch(clips: list[Clip]) -> None:
    stretches = {"train": (0.0, 0.8), "validation": (0.8, 0.9), "test": (0.9, 1.0)}
    silences = [clip for clip in clips if clip.label == SILENCE]
    for clip in silences:
        low, high = (share * NOISE_S * RATE_HZ for share in stretches[str(clip.split)])
        assert clip.path.parent.name == "_background_noise_"
        assert clip.frames == RATE_HZ
        assert low <= clip.start
        assert clip.start + clip.frames <= high
        whole, _ = soundfile.read(clip.path, dtype="float32")
        assert np.array_equal(clip.read().samples[0], whole[clip.start : clip.start + RATE_HZ])
    assert len({(clip.path, clip.start) for clip in silences}) == len(silences) == 7


def test_the_same_archive_anywhere_gives_the_same_clips(clips: list[Clip], archive: Path, tmp_path: Path) -> None:
    def placeless(found: list[Clip], root: Path) -> list[tuple[object, ...]]:
        return [(c.path.relative_to(root), c.label, c.split, c.start, c.frames) for c in found]

    elsewhere = write_speech_commands(tmp_path / "copy")
    assert placeless(read(elsewhere) or [], elsewhere) == placeless(clips, archive)


def test_an_archive_without_noise_recordings_has_no_silence(tmp_path: Path) -> None:
    root = write_speech_commands(tmp_path)
    for path in (root / "_background_noise_").iterdir():
        path.unlink()
    assert {clip.label for clip in read(root) or []} == {*WORDS, UNKNOWN}


def test_a_folder_of_something_else_is_not_read(tmp_path: Path) -> None:
    write_wav(tmp_path / "music" / "a.wav", SAMPLES, seed=1)
    assert read(tmp_path) is None


def test_a_manifest_is_read_row_by_row(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.linspace(-0.5, 0.5, SAMPLES), RATE_HZ)
    write_wav(tmp_path / "b.wav", SAMPLES, seed=1)
    (tmp_path / "manifest.csv").write_text(
        "path,label,word,speaker,split,source,samples\n"
        f"a.flac,_unknown_,zero,0123abcd,validation,train-extra,{SAMPLES}\n"
        f"b.wav,yes,yes,0123abce,test,test-set-v0.02,{SAMPLES}\n"
    )
    found = read(tmp_path) or []
    assert found == [Clip(tmp_path / "a.flac", UNKNOWN, "validation"), Clip(tmp_path / "b.wav", "yes", "test")]
    assert [clip.read().frames for clip in found] == [SAMPLES, SAMPLES]
    assert found[0].read().samples[0, 0] == pytest.approx(-0.5, abs=1e-4)
