"""Certifying, through HTTP, models that others made: ONNX, torch.export and Hugging Face."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tests.audio.wav_bytes import encode_pcm16
from tests.conftest import Service, serving
from tests.nets import onnx_files, pt2_files
from tests.nets.hugging_face_folders import BANDS, CLIP, FRAMES, RATE_HZ, write_ast, write_wav2vec2

from soundproof.certificate import content_id
from soundproof.nets.adding import Addition, add_model
from soundproof.terms import Gain, GainPolicy

SAMPLES = {"onnx": onnx_files.CLIP, "pt2": pt2_files.CLIP, "ast": CLIP, "wav2vec2": CLIP}
# So little noise that random weights do not change their mind.
SIGMA = 1e-4


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a model of each format, added as a user adds them."""
    sources, models = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("models")
    (sources / "onnx.onnx").write_bytes(onnx_files.content())
    (sources / "pt2.pt2").write_bytes(pt2_files.tiny())
    write_ast(sources / "ast")
    write_wav2vec2(sources / "wav2vec2")
    with pytest.MonkeyPatch.context() as quick:
        quick.setattr("soundproof.nets.adding.MEASURED_S", 0.0)
        for source in sources.iterdir():
            wanted = Addition(
                name=source.stem,
                version="1",
                classes=("no", "yes", "other"),
                sample_rate_hz=RATE_HZ,
                clip_samples=SAMPLES[source.stem],
                gain=Gain(GainPolicy.RMS, 1.0),
                sigma=SIGMA,
                feature_sigma=SIGMA if source.stem == "ast" else None,
                licence="none",
                data="none",
                data_licence="none",
            )
            add_model(source, models / source.stem, wanted)
    with serving(models, tmp_path_factory.mktemp("log") / "log") as running:
        yield running


def ask(service: Service, model: str, **fields: object) -> httpx.Response:
    clip = 0.1 * np.random.default_rng(7).standard_normal((1, SAMPLES[model]))
    files = {"audio": encode_pcm16(clip.astype(np.float32), RATE_HZ)}
    with service.client() as client:
        return client.post(
            "/certify", files=files, data={"model": model, "n": "200"} | {k: str(v) for k, v in fields.items()}
        )


def certificate(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


@pytest.mark.parametrize("model", SAMPLES)
def test_every_format_is_certified_on_waveforms(others: Service, model: str) -> None:
    document = certificate(ask(others, model))
    assert document["outcome"] == "certified"
    assert sum(document["sampling"]["counts"]) == 200
    assert document["contract"]["representation"]["dimension"] == SAMPLES[model]
    assert document["certificate_id"] == content_id(document)
    assert certificate(ask(others, model))["certificate_id"] == document["certificate_id"]
    with others.client() as client:
        assert client.get(f"/models/{model}").json()["digest"] == document["model"]["digest"]


@pytest.mark.parametrize("model", SAMPLES)
def test_every_format_is_certified_behind_a_transform(others: Service, model: str) -> None:
    document = certificate(ask(others, model, contract="post_processed", transform="rms"))
    assert document["contract"]["transform"]["name"] == "rms"


def test_a_spectrogram_model_is_certified_on_its_features(others: Service) -> None:
    document = certificate(ask(others, "ast", contract="feature"))
    assert document["outcome"] == "certified"
    assert document["contract"]["representation"]["shape"] == [FRAMES, BANDS]
    assert document["contract"]["perturbation"]["space"] == "feature"
    assert document["contract"]["representation"]["steps"][-1] == "feature_extractor"
    assert document["file_domain"] is None
    assert "nats" not in document["radius_unit"] + document["statement"], "an extractor scales as it likes"


@pytest.mark.parametrize("model", ["onnx", "pt2", "wav2vec2"])
def test_features_of_a_model_without_a_feature_stage_are_refused(others: Service, model: str) -> None:
    answer = ask(others, model, contract="feature")
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_plan"
    assert "has no features before its classifier" in answer.json()["detail"]


def test_the_api_process_has_none_of_the_libraries(others: Service) -> None:
    """They are the worker's. What a process has imported shows in what it has mapped."""
    mapped = Path(f"/proc/{others.pid}/maps")
    if not mapped.exists():
        pytest.skip("no /proc here")
    libraries = mapped.read_text()
    assert not any(name in libraries for name in ("libtorch", "onnxruntime", "tokenizers"))
