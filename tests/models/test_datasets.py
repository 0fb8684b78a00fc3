"""Reading Speech Commands: the official archive's layout and the one with a manifest."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tests.model_folders import RMS_GAIN

import datasets
from datasets import CLASSES_12, OFFICIAL_URL, SILENCE, SPLITS, UNKNOWN, WORDS, Clip, balanced, speech_commands
from soundproof.audio.prepare import prepare
from soundproof.terms import Gain, GainPolicy

RATE_HZ, SAMPLES = 16_000, 1_600
NOISE_S = 12
# Clips per word and split in the small archive below.
COUNTS = {"train": 4, "validation": 2, "test": 1}
OTHERS = ("bed", "cat", "dog")


def write_wav(path: Path, frames: int, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.1 * np.random.default_rng(seed).standard_normal(frames)
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_16")


def write_archive(root: Path) -> Path:
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


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("speech_commands"))


@pytest.fixture(scope="module")
def clips(archive: Path) -> list[Clip]:
    return speech_commands(archive)


def test_the_classes_are_the_ten_words_silence_and_unknown() -> None:
    assert len(CLASSES_12) == 12
    assert set(CLASSES_12) == {*WORDS, SILENCE, UNKNOWN}
    assert list(CLASSES_12) == sorted(CLASSES_12)


def test_the_official_lists_decide_the_split(clips: list[Clip]) -> None:
    for clip in clips:
        if clip.label != SILENCE:
            assert clip.path.name.startswith(clip.split), clip
    for word in WORDS:
        for split in SPLITS:
            assert sum(c.label == word and c.split == split for c in clips) == COUNTS[split]


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
        low, high = (share * NOISE_S * RATE_HZ for share in stretches[clip.split])
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

    elsewhere = write_archive(tmp_path / "copy")
    assert placeless(speech_commands(elsewhere), elsewhere) == placeless(clips, archive)


def test_an_archive_without_noise_recordings_has_no_silence(tmp_path: Path) -> None:
    root = write_archive(tmp_path)
    for path in (root / "_background_noise_").iterdir():
        path.unlink()
    assert {clip.label for clip in speech_commands(root)} == {*WORDS, UNKNOWN}


def test_clips_are_read_as_recorded(clips: list[Clip]) -> None:
    waveform = clips[0].read()
    recorded, rate = soundfile.read(clips[0].path, dtype="float32")
    assert waveform.sample_rate_hz == rate == RATE_HZ
    assert np.array_equal(waveform.samples, recorded[None])


@pytest.mark.parametrize("there", [(), ("yes",), ("validation_list.txt",)])
def test_a_folder_without_the_data_set_is_answered_with_where_to_get_it(tmp_path: Path, there: tuple[str, ...]) -> None:
    for name in there:
        (tmp_path / name).mkdir()
    with pytest.raises(FileNotFoundError) as caught:
        speech_commands(tmp_path)
    assert OFFICIAL_URL in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert OFFICIAL_URL.endswith("speech_commands_v0.02.tar.gz")


def test_a_manifest_is_read_row_by_row(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.linspace(-0.5, 0.5, SAMPLES), RATE_HZ)
    write_wav(tmp_path / "b.wav", SAMPLES, seed=1)
    (tmp_path / "manifest.csv").write_text(
        "path,label,word,speaker,split,source,samples\n"
        f"a.flac,_unknown_,zero,0123abcd,validation,train-extra,{SAMPLES}\n"
        f"b.wav,yes,yes,0123abce,test,test-set-v0.02,{SAMPLES}\n"
    )
    found = speech_commands(tmp_path)
    assert found == [
        Clip(tmp_path / "a.flac", UNKNOWN, "validation"),
        Clip(tmp_path / "b.wav", "yes", "test"),
    ]
    assert [clip.read().frames for clip in found] == [SAMPLES, SAMPLES]
    assert found[0].read().samples[0, 0] == pytest.approx(-0.5, abs=1e-4)


@pytest.mark.parametrize("gain", [RMS_GAIN, Gain(GainPolicy.NONE)])
def test_clips_are_loaded_as_the_service_prepares_them(clips: list[Clip], gain: Gain) -> None:
    chosen = [clips[0], clips[-1]]
    waveforms, labels = datasets.load(chosen, CLASSES_12, sample_rate_hz=8_000, clip_samples=1_000, gain=gain)
    assert waveforms.shape == (2, 1_000)
    for clip, found in zip(chosen, waveforms, strict=True):
        expected = prepare(clip.read(), sample_rate_hz=8_000, clip_samples=1_000, gain=gain).x
        assert torch.equal(found, expected.float())
    assert [CLASSES_12[int(label)] for label in labels] == [clip.label for clip in chosen]


def test_balanced_takes_the_same_number_of_every_class(clips: list[Clip]) -> None:
    chosen = balanced(clips, CLASSES_12, 2)
    assert [clip.label for clip in chosen] == [label for label in CLASSES_12 for _ in range(2)]
    assert set(chosen) <= set(clips)
    assert balanced(clips[::-1], CLASSES_12, 2) == chosen


def test_every_clip_has_a_name_of_its_own(clips: list[Clip]) -> None:
    """The seed of its noise in an evaluation hangs on it: cuts of one recording must not share theirs."""
    assert len({clip.name for clip in clips}) == len(clips)
    assert Clip(Path("/anywhere/yes/1.wav"), "yes", "test").name == "yes/1.wav"
    assert Clip(Path("/anywhere/_background_noise_/a.wav"), SILENCE, "test", 5, 10).name == "_background_noise_/a.wav@5"
