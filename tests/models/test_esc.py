"""Reading ESC-50 and ESC-10: the official archive's layout, and ESC-10 by itself."""

from collections import Counter
from pathlib import Path

import pytest
from tests.models.made_data import SAMPLES, SHARED, write_esc, write_wav

import esc
from clips import Clip


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_esc(tmp_path_factory.mktemp("esc"))


@pytest.fixture(scope="module")
def at_hand() -> list[Clip]:
    if not (SHARED / "esc10").is_dir():
        pytest.skip("ESC-10 is not at hand")
    return esc.read_10(SHARED / "esc10") or []


def test_there_are_50_classes_and_10_of_them_under_their_own_names() -> None:
    assert len(esc.CLASSES_50) == len(set(esc.CLASSES_50)) == 50
    assert len(esc.CLASSES_10) == 10
    assert set(esc.NAMES_10) <= set(esc.CLASSES_50)


def test_the_archive_is_read_row_by_row(archive: Path) -> None:
    found = esc.read_50(archive) or []
    assert Counter((clip.label, clip.fold) for clip in found) == {(c, f): 1 for c in esc.CLASSES_50 for f in esc.FOLDS}
    for clip in found:
        assert clip.path.parent == archive / "audio"
        assert clip.path.name.startswith(f"{clip.fold}-")
        assert clip.split is None
    assert found[0].read().frames == SAMPLES


def test_esc_10_is_what_the_archive_marks_so(archive: Path) -> None:
    found, whole = esc.read_10(archive) or [], esc.read_50(archive) or []
    assert Counter((clip.label, clip.fold) for clip in found) == {(c, f): 1 for c in esc.CLASSES_10 for f in esc.FOLDS}
    labels = {clip.path: clip.label for clip in whole}
    assert {(labels[clip.path], clip.label) for clip in found} == set(esc.NAMES_10.items())
    assert {clip.path: clip.fold for clip in found}.items() <= {clip.path: clip.fold for clip in whole}.items()


def test_the_mark_decides_and_not_the_class(tmp_path: Path) -> None:
    write_wav(tmp_path / "audio" / "1-1-A-0.wav", SAMPLES, seed=0)
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "esc50.csv").write_text(
        "filename,fold,target,category,esc10,src_file,take\n1-1-A-0.wav,1,0,dog,False,1,A\n"
    )
    assert esc.read_10(tmp_path) == []
    assert len(esc.read_50(tmp_path) or []) == 1


def test_esc_10_by_itself_is_read_by_its_manifest(tmp_path: Path) -> None:
    write_wav(tmp_path / "clips" / "rain" / "2-7-A.wav", SAMPLES, seed=0)
    (tmp_path / "manifest.csv").write_text(
        "path,label,fold,sample_rate,frames\nclips/rain/2-7-A.wav,rain,2,16000,1600\n"
    )
    assert esc.read_10(tmp_path) == [Clip(tmp_path / "clips" / "rain" / "2-7-A.wav", "rain", fold=2)]
    assert esc.read_50(tmp_path) is None


def test_a_folder_without_either_is_not_read(tmp_path: Path) -> None:
    assert esc.read_10(tmp_path) is None
    assert esc.read_50(tmp_path) is None


def test_the_clips_at_hand_are_eight_of_each_class_in_each_fold(at_hand: list[Clip]) -> None:
    assert Counter((clip.label, clip.fold) for clip in at_hand) == {
        (c, f): 8 for c in esc.CLASSES_10 for f in esc.FOLDS
    }


def test_no_recording_is_in_two_folds(at_hand: list[Clip]) -> None:
    """1-100032-A is the first cut of freesound's recording 100032, in fold 1."""
    recordings: dict[str, set[int | None]] = {}
    for clip in at_hand:
        fold, recording, _ = clip.path.stem.split("-", 2)
        assert int(fold) == clip.fold
        recordings.setdefault(recording, set()).add(clip.fold)
    assert len(recordings) < len(at_hand)
    assert {len(folds) for folds in recordings.values()} == {1}
