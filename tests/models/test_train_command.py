"""`python models/train.py`: several runs in one call, --out, and what it refuses to begin."""

import builtins
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from tests.models.training import SOUNDS, SPEECH, assert_same, read_recipe, weights

import train
import workers
from soundproof.nets.folder import load
from soundproof.nets.manifest import MANIFEST, WEIGHTS
from train import Run

pytestmark = pytest.mark.usefixtures("_elsewhere")


def command(monkeypatch: pytest.MonkeyPatch, data: Path, *arguments: object) -> None:
    """`python models/train.py recipe.toml DATA --device cpu ...`."""
    words = ["train.py", "recipe.toml", data, "--device", "cpu", *arguments]
    monkeypatch.setattr(sys, "argv", [str(word) for word in words])
    train.main()


def test_several_seeds_and_folds_in_one_call_are_the_runs_one_by_one(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two at a time, bit for bit."""
    recipe = read_recipe(tmp_path, SOUNDS.name)
    command(monkeypatch, sounds, "--seeds", "1,2", "--folds", "2,5", "--jobs", 2)
    together = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.name for path in together] == [
        f"noise-0+0.02-seed-{seed}-fold-{fold}-{recipe.digest}" for seed in (1, 2) for fold in (2, 5)
    ]
    for path, (seed, fold) in zip(together, [(1, 2), (1, 5), (2, 2), (2, 5)], strict=True):
        training = load(path).manifest.training
        assert training is not None
        assert (training.seed, training.fold, training.clips) == (seed, fold, 40)
    monkeypatch.setattr(train, "RUNS", Path("alone"))
    assert_same(together[1], train.train(Run(recipe, sounds, 1, 5, "cpu")))
    assert len({str(weights(path)["linear.weight"]) for path in together}) == 4


def test_out_is_a_model_folder_without_what_training_left_behind(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = read_recipe(tmp_path, SPEECH.name)
    run = Run(recipe.with_noise(()), data, 1, None, "cpu")
    monkeypatch.setattr(workers, "pool", lambda *_: nullcontext(builtins))  # its `map` is that of a pool
    command(monkeypatch, data, "--noise", "none", "--out", tmp_path / "models" / "tiny")
    assert sorted(path.name for path in (tmp_path / "models" / "tiny").iterdir()) == [MANIFEST, WEIGHTS]
    assert load(tmp_path / "models" / "tiny").manifest == load(run.folder).manifest
    assert capsys.readouterr().out.splitlines()[-1] == f"wrote {tmp_path / 'models' / 'tiny'}"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--seeds", "1,2", "--folds", "1", "--out", "model"], "--out takes one run, these are 2"),
        (["--out", "model"], "--out takes one run, these are 5"),
        (["--folds", "1,6"], "the folds of esc-10 are 1, 2, 3, 4, 5"),
        (["--seeds", "one"], "one is not whole numbers by commas"),
        (["--noise", "-0.5"], "a standard deviation is 0 or more"),
        (["--jobs", "0"], "0 is not at least 1"),
        (["--device", "nowhere"], "--device nowhere: "),
        (["--noise", "loud"], "loud is not none, a number or several by commas"),
    ],
)
def test_what_cannot_be_run_is_said_at_once(
    sounds: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    read_recipe(tmp_path, SOUNDS.name)
    with pytest.raises(SystemExit):
        command(monkeypatch, sounds, *arguments)
    assert told in capsys.readouterr().err
    assert not Path("runs").exists()


def test_a_data_set_that_comes_in_splits_has_no_folds(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read_recipe(tmp_path, SPEECH.name)
    with pytest.raises(SystemExit):
        command(monkeypatch, data, "--folds", "1")
    assert "the folds of speech-commands-12 are none" in capsys.readouterr().err


def test_missing_data_is_said_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read_recipe(tmp_path, SOUNDS.name)
    with pytest.raises(SystemExit):
        command(monkeypatch, tmp_path, "--folds", "1")
    assert "ESC-50/archive" in capsys.readouterr().err
