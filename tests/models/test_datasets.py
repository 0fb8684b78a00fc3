"""Data sets by name: where they are to be had, how they are divided, how their clips become tensors."""

import itertools
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tests.model_folders import RMS_GAIN
from tests.models.made_data import COUNTS, RATE_HZ, SHARED, write_esc, write_speech_commands

import datasets
from clips import SPLITS, Clip, balanced, fixed_sample, load
from datasets import DATASETS, DataSet
from soundproof.audio.prepare import prepare
from soundproof.terms import Gain, GainPolicy
from speech_commands import CLASSES_12, SILENCE, WORDS

SPEECH = DATASETS["speech-commands-12"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speech_commands(tmp_path_factory.mktemp("speech_commands"))


@pytest.fixture(scope="module")
def clips(archive: Path) -> list[Clip]:
    return SPEECH.read(archive)


@pytest.mark.parametrize("data", DATASETS.values(), ids=DATASETS)
@pytest.mark.parametrize("there", [(), ("up",), ("audio", "meta"), ("validation_list.txt",)], ids=str)
def test_missing_data_is_answered_with_where_to_get_it(data: DataSet, there: tuple[str, ...], tmp_path: Path) -> None:
    for name in there:
        (tmp_path / name).mkdir()
    with pytest.raises(FileNotFoundError) as caught:
        data.read(tmp_path)
    for told in (data.title, str(tmp_path), data.url, data.checksum):
        assert told in str(caught.value)
    assert re.fullmatch(r"https?://\S+\.(zip|tar\.gz)", data.url)
    assert re.fullmatch(r"SHA-256 [0-9a-f]{64}|MD5 [0-9a-f]{32}", data.checksum)


def test_the_command_lists_what_there_is_and_counts_what_is_here(
    archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["datasets.py"])
    datasets.main()
    printed = capsys.readouterr().out
    assert all(told in printed for data in DATASETS.values() for told in (data.name, data.url, data.checksum))
    monkeypatch.setattr(sys, "argv", ["datasets.py", SPEECH.name, str(archive)])
    datasets.main()
    words = {split: len(WORDS) * count for split, count in COUNTS.items()}
    told = ", ".join(f"{count + 2 * (count // 10)} {split}" for split, count in sorted(words.items()))
    assert f"{sum(words.values()) + 14} clips: {told}" in capsys.readouterr().out


@pytest.mark.parametrize("data", DATASETS.values(), ids=DATASETS)
def test_classes_are_distinct_and_sorted(data: DataSet) -> None:
    assert list(data.classes) == sorted(set(data.classes))
    assert data.silence is None or data.silence in data.classes


def test_splits_do_not_overlap_and_leave_nothing_out(clips: list[Clip]) -> None:
    parts = [SPEECH.part(clips, split) for split in SPLITS]
    assert sum(map(len, parts)) == len(clips)
    assert {clip.name for part in parts for clip in part} == {clip.name for clip in clips}


@pytest.mark.parametrize("name", ["esc-10", "esc-50"])
def test_a_fold_is_for_testing_and_the_others_for_training(name: str, tmp_path: Path) -> None:
    data = DATASETS[name]
    found = data.read(write_esc(tmp_path))
    tested: list[Clip] = []
    for fold in data.folds:
        test, train = data.part(found, "test", fold), data.part(found, "train", fold)
        assert {clip.fold for clip in test} == {fold}
        assert {clip.fold for clip in train} == set(data.folds) - {fold}
        assert len(test) + len(train) == len(found)
        assert data.part(found, "validation", fold) == []
        tested += test
    assert sorted(clip.name for clip in tested) == sorted(clip.name for clip in found)


@pytest.mark.parametrize("fold", [None, 0, 6])
def test_a_fold_that_there_is_not_is_refused(fold: int | None) -> None:
    with pytest.raises(ValueError, match=rf"esc-10 is cross-validated: give a fold of \(1, 2, 3, 4, 5\), not {fold}"):
        DATASETS["esc-10"].part([], "train", fold)


@pytest.mark.parametrize(("name", "folder"), [("speech-commands-12", "speech_commands"), ("esc-10", "esc10")])
def test_the_data_at_hand_has_every_class_in_every_part(name: str, folder: str) -> None:
    if not (SHARED / folder).is_dir():
        pytest.skip(f"{name} is not at hand")
    data = DATASETS[name]
    found = data.read(SHARED / folder)
    for split, fold in itertools.product(("train", "test"), data.folds or (None,)):
        assert {clip.label for clip in data.part(found, "train" if split == "train" else "test", fold)} == set(
            data.classes
        )
    assert len({clip.name for clip in found}) == len(found)


@pytest.mark.parametrize("gain", [RMS_GAIN, Gain(GainPolicy.NONE)])
def test_clips_are_loaded_as_the_service_prepares_them(clips: list[Clip], gain: Gain) -> None:
    chosen = [clips[0], clips[-1]]
    waveforms, labels = load(chosen, CLASSES_12, sample_rate_hz=8_000, clip_samples=1_000, gain=gain)
    assert waveforms.shape == (2, 1_000)
    for clip, found in zip(chosen, waveforms, strict=True):
        expected = prepare(clip.read(), sample_rate_hz=8_000, clip_samples=1_000, gain=gain).x
        assert torch.equal(found, expected.float())
    assert [CLASSES_12[int(label)] for label in labels] == [clip.label for clip in chosen]


def test_clips_are_read_as_recorded(clips: list[Clip]) -> None:
    waveform = clips[0].read()
    recorded, rate = soundfile.read(clips[0].path, dtype="float32")
    assert waveform.sample_rate_hz == rate == RATE_HZ
    assert np.array_equal(waveform.samples, recorded[None])


def test_balanced_takes_the_same_number_of_every_class(clips: list[Clip]) -> None:
    chosen = balanced(clips, CLASSES_12, 2)
    assert [clip.label for clip in chosen] == [label for label in CLASSES_12 for _ in range(2)]
    assert set(chosen) <= set(clips)
    assert balanced(clips[::-1], CLASSES_12, 2) == chosen


def test_more_clips_of_a_class_hold_the_fewer(clips: list[Clip]) -> None:
    """So that an evaluation of more clips goes on from one of fewer."""
    assert fixed_sample(clips, 20)[:5] == fixed_sample(clips, 5)
    assert set(balanced(clips, CLASSES_12, 1)) < set(balanced(clips, CLASSES_12, 2))


def test_every_clip_has_a_name_of_its_own(clips: list[Clip]) -> None:
    """What was computed is found again by it: cuts of one recording must not share theirs."""
    assert len({clip.name for clip in clips}) == len(clips)
    assert Clip(Path("/anywhere/yes/1.wav"), "yes", "test").name == "yes/1.wav"
    assert Clip(Path("/anywhere/_background_noise_/a.wav"), SILENCE, "test", 5, 10).name == "_background_noise_/a.wav@5"
