"""Evaluating tiny models: the service's own counts, no clip of training, nothing done twice, whatever interrupts."""

import sys
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tests.conftest import Service, serving
from tests.model_folders import RMS_GAIN
from tests.models.made_data import SAMPLES, write_esc, write_manifest

import evaluate
import measurement
import rows
import workers
from datasets import DATASETS
from rows import CertificateRow, CleanRow, GeometryRow, Row
from soundproof.nets.classifier import LogMelCnn
from soundproof.nets.manifest import WEIGHTS, ModelManifest, Training
from soundproof.nets.manifest import write_manifest as write_model
from soundproof.nets.specs import CnnSpec, LinearSpec, LogMelSpec

N = 200
SPEECH, SOUNDS = DATASETS["speech-commands-12"], DATASETS["esc-10"]


def write_linear(folder: Path, *, dataset: str, seed: int = 1, fold: int | None = None, name: str = "") -> Path:
    """A linear classifier of a data set's classes with random weights."""
    classes = DATASETS[dataset].classes
    generator = torch.Generator().manual_seed(seed)
    weight = 0.05 * torch.randn(len(classes), SAMPLES, generator=generator)
    folder.mkdir(parents=True)
    save_file({"linear.weight": weight, "linear.bias": torch.zeros(len(classes))}, folder / WEIGHTS)
    return _described(folder, name or dataset, dataset, LinearSpec(), None, seed, fold)


def write_cnn(folder: Path, *, dataset: str, name: str = "") -> Path:
    """An untrained log-mel CNN of a data set's classes."""
    torch.manual_seed(0)
    spec, front_end = CnnSpec(channels=(4, 8)), LogMelSpec()
    network = LogMelCnn(spec, front_end, 16_000, len(DATASETS[dataset].classes))
    folder.mkdir(parents=True)
    save_file({k: v.contiguous() for k, v in network.cnn.state_dict().items()}, folder / WEIGHTS)
    return _described(folder, name or dataset, dataset, spec, front_end, 1, None)


def _described(
    folder: Path, name: str, dataset: str, architecture: Any, front_end: LogMelSpec | None, seed: int, fold: int | None
) -> Path:
    write_model(
        folder,
        ModelManifest(
            name=name,
            version="test",
            architecture=architecture,
            front_end=front_end,
            classes=DATASETS[dataset].classes,
            sample_rate_hz=16_000,
            clip_samples=SAMPLES,
            gain=RMS_GAIN,
            training=Training(noise_sigma=(0.005,), epochs=1, seed=seed, fold=fold, clips=0),
            recommended_sigma={"waveform": 0.1, "feature": 0.1},
            data="made up",
            data_licence="none",
            licence="Apache-2.0",
            weights_sha256="",
        ),
    )
    return folder


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_manifest(tmp_path_factory.mktemp("speech"), {"train": 1, "validation": 1, "test": 2})


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_esc(tmp_path_factory.mktemp("sounds"), per_class=2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_linear(tmp_path_factory.mktemp("linear") / SPEECH.name, dataset=SPEECH.name)


class InThisProcess:
    """An executor that computes at once, or raises as told: what a pool does, without its processes."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.tasks: list[measurement.Task] = []
        self._fail_after = fail_after

    def submit(self, call: Any, task: measurement.Task) -> "Future[Row]":
        future: Future[Row] = Future()
        self.tasks.append(task)
        if self._fail_after is not None and len(self.tasks) > self._fail_after:
            future.set_exception(RuntimeError("out of luck"))
        else:
            future.set_result(call(task))
        return future

    def __enter__(self) -> "InThisProcess":
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[InThisProcess]:
    """Evaluate without processes."""
    pool = InThisProcess()
    monkeypatch.setattr(workers, "pool", lambda *_: pool)
    yield pool
    measurement._model.cache_clear()


def run(monkeypatch: pytest.MonkeyPatch, out: Path, *arguments: object) -> list[Row]:
    """`python models/evaluate.py ... --n 200 --device cpu --out OUT`; the rows that are there then."""
    command = ["evaluate.py", *arguments, "--n", N, "--device", "cpu", "--out", out]
    monkeypatch.setattr(sys, "argv", [str(part) for part in command])
    evaluate.main()
    return list(rows.read([out]))


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


# What the service calls the settings. The noise is loud, so that the votes of such models are divided.
ASKED: dict[str, dict[str, object]] = {
    "waveform:0.7": {"model": "linear", "contract": "waveform", "sigma": 0.7},
    "fixed:0.7": {"model": "linear", "contract": "post_processed", "transform": "fixed", "sigma": 0.7},
    "rms:0.7": {"model": "linear", "contract": "post_processed", "transform": "rms", "sigma": 0.7},
    "clip:0.7": {"model": "linear", "contract": "post_processed", "transform": "clip", "sigma": 0.7},
    "peak:0.7": {"model": "linear", "contract": "post_processed", "transform": "peak", "sigma": 0.7},
    "peak_clean:0.7": {"model": "linear", "contract": "post_processed", "transform": "peak_clean", "sigma": 0.7},
    "waveform:0.3": {"model": "cnn", "contract": "waveform", "sigma": 0.3},
    "feature:0.3": {"model": "cnn", "contract": "feature", "sigma": 0.3},
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a linear and a log-mel model."""
    folder = tmp_path_factory.mktemp("served")
    write_linear(folder / "linear", dataset=SPEECH.name, name="linear")
    write_cnn(folder / "cnn", dataset=SPEECH.name, name="cnn")
    return folder


@pytest.fixture(scope="module")
def running(served: Path) -> Iterator[Service]:
    with serving(served, served / "log", SOUNDPROOF_DEFAULT_MODEL="linear") as running:
        yield running


def test_the_service_gives_the_same_counts_for_the_same_file(
    tmp_path: Path,
    speech: Path,
    served: Path,
    running: Service,
    here: InThisProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Votes, answer, radius, SNR, radius in the file, geometry: of every setting, for each class's clip."""
    monkeypatch.setattr(evaluate, "balanced", lambda clips, *_: clips[:: len(clips) // 3])
    settings: dict[str, list[str]] = {}
    for setting, fields in ASKED.items():
        settings.setdefault(str(fields["model"]), []).append(setting)
    found: list[Row] = []
    for name, asked in settings.items():
        about = ["--dataset", SPEECH.name, "--settings", ",".join([*asked, "geometry:0.7"]), "--per-class", 1]
        found += run(monkeypatch, tmp_path / name, served / name, "--data", speech, *about)
    certificates = [row for row in found if isinstance(row, CertificateRow)]
    assert {row.setting for row in certificates} == set(ASKED)
    geometry = {row.clip: row.transforms for row in found if isinstance(row, GeometryRow) and row.model == "linear"}
    divided = 0
    with running.client() as client:
        for row in certificates:
            asking = {key: str(value) for key, value in ASKED[row.setting].items()} | {"n": str(N), "seed": "1"}
            answer = client.post("/certify", files={"audio": (speech / row.clip).read_bytes()}, data=asking)
            assert answer.status_code == 200, answer.text
            told = answer.json()
            assert told["sampling"]["counts"] == list(row.counts)
            assert told["sampling"]["selection_counts"] == list(row.selection_counts)
            assert (told["sampling"]["n0"], told["sampling"]["alpha"]) == (row.n0, row.alpha)
            assert told["sampling"]["generator"] == row.generator
            assert told["sampling"]["backend"] == row.backend
            assert told["audio"]["samples_sha256"] == row.samples_sha256
            assert told["model"]["digest"] == row.model_digest
            assert told["outcome"] == row.outcome
            assert told["radius_ceiling"] == row.ceiling
            assert told["diagnostics"]["d_geom"] == row.d_geom
            assert told["diagnostics"]["effective_norm_ratio"] == row.effective_norm_ratio
            if row.outcome == "certified":
                assert told["prediction"]["label"] == row.prediction
                assert (told["radius"], told["snr_cert_db"]) == (row.radius, row.snr_db)
                assert (told["file_domain"] or {}).get("radius") == row.file_radius
            else:
                assert (row.prediction, row.radius, row.snr_db, row.file_radius) == (None, None, None, None)
            if row.contract == "post_processed":
                shape = geometry[row.clip][row.transform]
                assert (shape.d_geom, shape.effective_norm_ratio) == (row.d_geom, row.effective_norm_ratio)
            divided += max(row.counts) < N
    assert divided > len(certificates) / 2, "the votes are too much alike to tell a fault by"
    assert {row.outcome for row in certificates} == {"certified", "abstained"}


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
