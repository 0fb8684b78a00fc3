"""Evaluating tiny models: no clip of training, nothing done twice, whatever interrupts."""

import sys
from pathlib import Path

import pytest
from tests.models.evaluating import SOUNDS, SPEECH, InThisProcess, N, run
from tests.models.made_data import write_esc
from tests.models.made_models import write_linear

import evaluate
import rows
import workers
from rows import CertificateRow, CleanRow, GeometryRow, Row


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_esc(tmp_path_factory.mktemp("sounds"), per_class=2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_linear(tmp_path_factory.mktemp("linear") / SPEECH.name, dataset=SPEECH.name)


def comparable(found: list[Row]) -> list[str]:
    """Rows without what depends on the clock, in a fixed order."""
    return sorted(row.model_dump_json(exclude={"seconds"}) for row in found)


def test_every_clip_is_classified_and_some_of_each_class_certified(
    tmp_path: Path, speech: Path, model: Path, here: InThisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = "geometry:0.0025,waveform:0.02,clip:0.0025"
    found = run(monkeypatch, tmp_path / "rows", model, "--data", speech, "--settings", settings, "--per-class", 1)
    clean = [row for row in found if isinstance(row, CleanRow)]
    certificates = [row for row in found if isinstance(row, CertificateRow)]
    assert sorted(row.clip for row in clean) == sorted(f"{c}/test-{t}.wav" for c in SPEECH.classes for t in (0, 1))
    for setting in ("waveform:0.02", "clip:0.0025"):
        assert sorted(row.label for row in certificates if row.setting == setting) == sorted(SPEECH.classes)
    assert sum(isinstance(row, GeometryRow) for row in found) == len(SPEECH.classes)
    for row in certificates:
        assert sum(row.counts) + row.invalid == row.n == N
        assert sum(row.selection_counts) <= 100
        assert (row.model, row.noise_sigma, row.seed, row.fold) == (SPEECH.name, (0.005,), 1, None)
        assert row.device == "cpu"
        assert row.clip.startswith(f"{row.label}/")
    assert len({row.counts for row in certificates}) > 3, "the votes are too much alike to tell a fault by"


def test_no_clip_of_another_fold_is_used_for_a_model(
    tmp_path: Path, sounds: Path, here: InThisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [write_linear(tmp_path / f"{fold}", dataset=SOUNDS.name, fold=fold) for fold in (2, 3, 5)]
    settings = ["--settings", "waveform:0.02", "--per-class", 1]
    found = run(monkeypatch, tmp_path / "rows", *folders, "--data", sounds, *settings)
    assert len(found) == 3 * (20 + 10)
    for row in found:
        assert row.clip.startswith(f"audio/{row.fold}-")
    assert {row.fold for row in found} == {2, 3, 5}


def test_what_is_there_already_is_not_computed_again(
    tmp_path: Path, speech: Path, model: Path, here: InThisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (model, "--data", speech, "--settings", "waveform:0.02", "--per-class")
    first = run(monkeypatch, tmp_path / "rows", *arguments, 1)
    assert run(monkeypatch, tmp_path / "rows", *arguments, 1) == first
    assert len(here.tasks) == len(first) == 24 + 12
    more = run(monkeypatch, tmp_path / "rows", *arguments, 2)
    assert more[: len(first)] == first
    assert len(here.tasks) == len(more) == 24 + 24
    assert len({row.key for row in more}) == len(more)


def test_a_model_in_two_folders_is_evaluated_once(
    tmp_path: Path, speech: Path, model: Path, here: InThisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = write_linear(tmp_path / "copy", dataset=SPEECH.name)
    found = run(monkeypatch, tmp_path / "rows", model, copy, "--data", speech, "--settings", "waveform:0.02")
    assert len({row.key for row in found}) == len(found) == 48


@pytest.mark.parametrize("lost", [1, 40, 200], ids=lambda lost: f"{lost} bytes lost")
def test_an_interrupted_evaluation_ends_where_an_undisturbed_one_does(
    tmp_path: Path, speech: Path, model: Path, here: InThisProcess, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """The last line of the file was cut off: it is computed again, and stands by itself."""
    arguments = (model, "--data", speech, "--settings", "waveform:0.3", "--per-class", 1)
    undisturbed = run(monkeypatch, tmp_path / "undisturbed", *arguments)
    lines = (tmp_path / "undisturbed").read_bytes().splitlines(keepends=True)
    (tmp_path / "rows").write_bytes(b"".join(lines[:30])[:-lost])
    assert comparable(run(monkeypatch, tmp_path / "rows", *arguments)) == comparable(undisturbed)


def test_what_was_computed_before_an_error_is_kept_and_the_error_names_its_task(
    tmp_path: Path, speech: Path, model: Path, here: InThisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (model, "--data", speech, "--settings", "waveform:0.3", "--per-class", 1)
    monkeypatch.setattr(workers, "pool", lambda *_: InThisProcess(fail_after=6))
    with pytest.raises(RuntimeError, match="out of luck") as caught:
        run(monkeypatch, tmp_path / "rows", *arguments)
    assert "test-" in caught.value.__notes__[0]
    kept = list(rows.read([tmp_path / "rows"]))
    assert len(kept) == 6
    monkeypatch.setattr(workers, "pool", lambda *_: here)
    assert run(monkeypatch, tmp_path / "rows", *arguments)[:6] == kept


def test_processes_side_by_side_give_the_same_rows(
    tmp_path: Path, speech: Path, model: Path, here: InThisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (model, "--data", speech, "--settings", "waveform:0.3", "--per-class", 1)
    alone = run(monkeypatch, tmp_path / "alone", *arguments)
    monkeypatch.undo()
    together = run(monkeypatch, tmp_path / "together", *arguments, "--jobs", 2)
    assert comparable(together) == comparable(alone)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--settings", "wave:0.02"], "'wave:0.02' is no setting: they are kind:sigma, kind one of waveform, feature"),
        (["--settings", "waveform"], "'waveform' is no setting"),
        (["--settings", "waveform:none"], "'waveform:none' is no setting"),
        (["--settings", "waveform:-1"], "sigma is -1.0"),
        (["--settings", "feature:0.02"], "the model has no features"),
        (["--n", "5"], "5 votes cannot certify anything"),
        (["--dataset", "esc-10"], "the model's classes are not those of esc-10"),
        (["--data", "nowhere"], "is not in nowhere. Unpack there"),
    ],
)
def test_what_cannot_be_evaluated_is_said_at_once(
    tmp_path: Path,
    speech: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    settings = ["--settings", "waveform:0.02"] if "--settings" not in arguments else []
    command = ["evaluate.py", str(model), "--data", str(speech), "--out", str(tmp_path / "rows"), *settings, *arguments]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit):
        evaluate.main()
    assert told in capsys.readouterr().err
    assert not (tmp_path / "rows").exists()


def test_a_model_that_held_out_no_fold_is_not_tested_with_what_it_may_have_heard(
    tmp_path: Path, sounds: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_linear(tmp_path / "all", dataset=SOUNDS.name, fold=None)
    with pytest.raises(SystemExit):
        run(monkeypatch, tmp_path / "rows", folder, "--data", sounds, "--settings", "waveform:0.02")
    assert "esc-10 is cross-validated, and the model held out none of its folds" in capsys.readouterr().err


@pytest.mark.parametrize("unfinished", [True, False])
def test_folders_that_do_not_go_together_are_refused(
    tmp_path: Path,
    speech: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    unfinished: bool,
) -> None:
    other = tmp_path / "other"
    if unfinished:
        other.mkdir()
    else:
        write_linear(other, dataset=SOUNDS.name, fold=1)
    with pytest.raises(SystemExit):
        run(monkeypatch, tmp_path / "rows", model, other, "--data", speech)
    told = (
        f"{other}: model.json cannot be read" if unfinished else "models of different names: esc-10, speech-commands-12"
    )
    assert told in capsys.readouterr().err


def test_a_setting_has_one_name(
    tmp_path: Path, speech: Path, model: Path, here: InThisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = ("--data", speech, "--settings", "waveform:2e-2,waveform:0.020", "--per-class", 1)
    found = run(monkeypatch, tmp_path / "rows", model, *about)
    assert {row.setting for row in found} == {"clean", "waveform:0.02"}
    assert len(found) == 24 + 12
