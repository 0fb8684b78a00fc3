"""The card and the measured figures: what the rows say, of this model and no other."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.conftest import BUNDLED
from tests.model_folders import RMS_GAIN
from tests.models.made_rows import certificate, clean, evaluation

import card
from datasets import DATASETS
from rows import CertificateRow, CleanRow, Row
from soundproof.nets.manifest import (
    CARD,
    WEIGHTS,
    ModelManifest,
    Training,
    read_manifest,
    write_manifest,
)
from soundproof.nets.specs import LinearSpec

SPEECH, SOUNDS = "speech-commands-12", "esc-10"
RIGHT = {"waveform:0.0025": 0.8, "waveform:0.02": 0.6, "feature:0.02": 0.5, "clip:0.0025": 0.4}


def write_model(folder: Path, dataset: str, *, fold: int | None = None, training: bool = True) -> ModelManifest:
    data = DATASETS[dataset]
    folder.mkdir(parents=True)
    classes = len(data.classes)
    save_file({"linear.weight": torch.zeros(classes, 10), "linear.bias": torch.zeros(classes)}, folder / WEIGHTS)
    noise = Training(noise_sigma=(0.005,), epochs=200, seed=1, fold=fold, clips=320)
    return write_manifest(
        folder,
        ModelManifest(
            name=dataset,
            version="3",
            architecture=LinearSpec(),
            classes=data.classes,
            sample_rate_hz=16_000,
            clip_samples=10,
            gain=RMS_GAIN,
            training=noise if training else None,
            recommended_sigma={"waveform": 0.1},
            data=data.title,
            data_licence=data.licence,
            licence="Apache-2.0",
            weights_sha256="",
        ),
    )


def of_model(rows: list[Row], manifest: ModelManifest) -> list[Row]:
    """The rows with those of seed 1 and the model's fold as the model's own."""
    fold = manifest.training.fold if manifest.training else None
    return [
        row.model_copy(update={"model_digest": manifest.digest}) if (row.seed, row.fold) == (1, fold) else row
        for row in rows
    ]


def write_card(folder: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """`python models/card.py FOLDER ROWS`; the card."""
    path = folder.parent / "rows.jsonl"
    path.write_text("".join(row.model_dump_json() + "\n" for row in rows))
    monkeypatch.setattr(sys, "argv", ["card.py", str(folder), str(path), *arguments])
    card.main()
    return (folder / CARD).read_text()


@pytest.fixture
def speech(tmp_path: Path) -> tuple[Path, list[Row]]:
    """A model and rows of three, of which the first is it and alone gets silence wrong and clips right."""
    manifest = write_model(tmp_path / SPEECH, SPEECH)
    rows = of_model(list(evaluation(SPEECH, right=RIGHT)), manifest)
    silent = {"prediction": "yes"}
    return tmp_path / SPEECH, [
        row.model_copy(update=silent)
        if isinstance(row, CertificateRow) and row.label == "_silence_" and row.model_digest == manifest.digest
        else row
        for row in rows
    ]


def test_measured_figures_are_those_of_the_models_own_rows(
    speech: tuple[Path, list[Row]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rows = speech
    before = read_manifest(folder)
    text = write_card(folder, rows, monkeypatch)
    manifest = read_manifest(folder)
    assert manifest.digest == before.digest
    assert manifest.measured is not None
    own = [row for row in rows if row.model_digest == manifest.digest]
    heard = [row for row in own if isinstance(row, CleanRow)]
    assert manifest.measured.clean_clips == len(heard) == 120
    assert manifest.measured.clean_accuracy == sum(row.right for row in heard) / 120 == 0.9
    for sigma, share in manifest.measured.positive_radius_accuracy.items():
        found = [row for row in own if isinstance(row, CertificateRow) and row.setting == f"waveform:{sigma}"]
        assert share == round(sum(row.right for row in found) / len(found), 4)
    assert manifest.measured.positive_radius_accuracy == {"0.0025": round(0.8 * 11 / 12, 4), "0.02": 0.55}
    assert (manifest.measured.n0, manifest.measured.n, manifest.measured.alpha) == (100, 1000, 0.001)
    assert (manifest.measured.split, manifest.measured.certified_clips) == ("test", 120)
    settings = "--settings clip:0.0025,feature:0.02,waveform:0.0025,waveform:0.02"
    commands = [
        f"python models/evaluate.py models/{SPEECH} --data DATA --n 1000 {settings}",
        f"python models/evaluate.py models/{SPEECH} --data DATA --per-class 1 --settings geometry:0.0025",
    ]
    assert manifest.measured.command == "; ".join(commands)
    assert f"    {commands[0]}\n    {commands[1]}\n" in text
    assert str(folder) not in text


def test_the_card_states_them_with_and_without_silence(
    speech: tuple[Path, list[Row]], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = write_card(*speech, monkeypatch)
    assert "| waveform, 0.02 | 120 | 55.0 | 60.0 | 0.049265 | 0.049265 | 68.2 |" in text
    assert "| feature, 0.02 | 120 | 45.8 | 50.0 | 0.049265 | 0.049265 | none |" in text
    assert "**90.0 %** of 120 clips (90.0 % of the 110 that are not silence)" in text
    assert "| _silence_ | 0 | 0 |" in text
    assert "| up | 80 | 60 |" in text
    assert "n0 = 100, n = 1000, alpha = 0.001, 120 test clips, 10 of each class." in text
    assert "On cpu, made up as well, noise from made up, with the service's own code" in text
    assert "Gaussian waveform noise of standard deviation 0.005.\n" in text
    assert "models like this one" not in text


def test_a_cross_validated_models_card_also_states_all_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own fold gets 8 of 10, the other one 5 of 10: 65 on the mean, 21.2 their deviation."""
    manifest = write_model(tmp_path / SOUNDS, SOUNDS, fold=1)
    good, poor = ({"waveform:0.02": share} for share in (0.8, 0.5))
    rows = [row for row in evaluation(SOUNDS, right=good) if row.fold == 1]
    rows += [row for row in evaluation(SOUNDS, right=poor) if row.fold == 2]
    text = write_card(tmp_path / SOUNDS, of_model(rows, manifest), monkeypatch)
    measured = read_manifest(tmp_path / SOUNDS).measured
    assert measured is not None
    assert measured.split == "fold 1"
    assert measured.positive_radius_accuracy == {"0.02": 0.8}
    assert "320 training clips, fold 1 held out, seed 1." in text
    assert "2 models like this one, 2 of the 5 folds held out" in text
    assert "| waveform, 0.02 | 200 | 65.0 ± 21.2 |" in text
    assert [line for line in text.splitlines() if line.startswith(("| 1 |", "| 2 |", "| mean |"))] == [
        "| 1 | 90.0 | 80.0 |",
        "| 2 | 90.0 | 50.0 |",
        "| mean | 90.0 ± 0.0 | 65.0 ± 21.2 |",
    ]
    assert "At sigma 0.0025: 10 clips,\n100 noise samples each".lower() in text.lower()


def test_one_fold_alone_is_not_called_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write_model(tmp_path / SOUNDS, SOUNDS, fold=1)
    rows = [row for row in evaluation(SOUNDS, right={"waveform:0.02": 0.8}) if row.fold == 1]
    text = write_card(tmp_path / SOUNDS, of_model(rows, manifest), monkeypatch)
    assert "models like this one" not in text
    assert "all of them" not in text


def test_how_many_clips_of_each_class_is_said_only_where_it_is_so(
    speech: tuple[Path, list[Row]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rows = speech
    fewer = [row for row in rows if not (row.setting == "clip:0.0025" and row.label == "up")]
    text = write_card(folder, fewer, monkeypatch)
    assert "of each class" not in text
    assert "test clips as many as stand below" in text
    assert "| clip, 0.0025 | 110 |" in text


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "there is no row of speech-commands-12, digest {digest}...: evaluate it first"),
        ([clean("up", "up"), certificate("up", "up")], "there is no row of speech-commands-12, digest {digest}..."),
        ([clean("up", "up", seed=9)], "lack the clean answers or the waveform contract"),
        ([certificate("up", "up", seed=9)], "lack the clean answers or the waveform contract"),
        (
            [clean("up", "up", seed=9), *(certificate("up", "up", seed=9, n=n) for n in (1000, 10_000))],
            "n0 = 100, n = 1000, alpha = 0.001 and n0 = 100, n = 10000, alpha = 0.001: say which n to take",
        ),
        (
            [
                clean("up", "up", seed=9),
                certificate("up", "up", seed=9),
                certificate("up", "up", seed=9, n=10_000, setting="waveform:0.01"),
            ],
            "n = 1000 and 10000, alpha = 0.001: say which n",
        ),
    ],
    ids=["no row", "rows of others", "no certificate", "no clean answer", "two budgets", "a budget for each setting"],
)
def test_what_is_missing_for_a_card_is_said_and_nothing_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rows: list[Row],
    told: str,
) -> None:
    """Rows of seed 9 are the model's own."""
    manifest = write_model(tmp_path / SPEECH, SPEECH)
    own = [row.model_copy(update={"model_digest": manifest.digest}) if row.seed == 9 else row for row in rows]
    with pytest.raises(SystemExit):
        write_card(tmp_path / SPEECH, own, monkeypatch)
    assert told.format(digest=manifest.digest[:12]) in capsys.readouterr().err
    assert not (tmp_path / SPEECH / CARD).exists()
    assert read_manifest(tmp_path / SPEECH).measured is None


def test_a_budget_can_be_chosen(speech: tuple[Path, list[Row]], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, rows = speech
    digest = read_manifest(folder).digest
    more = certificate("up", "up", n=10_000).model_copy(update={"model_digest": digest})
    write_card(folder, [*rows, more], monkeypatch, "--n", "10000")
    measured = read_manifest(folder).measured
    assert measured is not None
    assert (measured.n, measured.positive_radius_accuracy, measured.certified_clips) == (10_000, {"0.02": 1.0}, 1)


def test_a_model_of_others_has_no_card_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(tmp_path / SPEECH, SPEECH, training=False)
    with pytest.raises(SystemExit):
        write_card(tmp_path / SPEECH, [], monkeypatch)
    assert "nobody said how the weights of speech-commands-12" in capsys.readouterr().err


@pytest.mark.parametrize("dataset", DATASETS)
def test_there_are_notes_for_every_data_set(dataset: str) -> None:
    assert card.NOTES[dataset]
    assert card.NOT_FOR[dataset]


def test_the_bundled_models_card_says_what_its_manifest_says() -> None:
    measured = read_manifest(BUNDLED).measured
    assert measured is not None
    text = (BUNDLED / CARD).read_text()
    assert f"**{100 * measured.clean_accuracy:.1f} %**" in text
    assert f"n = {measured.n}" in text
    assert measured.command.partition(" --data")[0] in text
