"""Evaluation writes down what the service answers for the same file."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Service, serving
from tests.models.evaluating import SPEECH, InThisProcess, N, run
from tests.models.made_models import write_cnn, write_linear

import evaluate
from rows import CertificateRow, GeometryRow, Row

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
