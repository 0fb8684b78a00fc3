"""POST /certify with target_snr_db: a gate's verdicts and refusals over HTTP."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from tests.api.attack import metric
from tests.api.test_certify import CLIP, certify
from tests.audio.wav_bytes import encode_pcm16
from tests.conftest import TINY_SAMPLES, YES, Service, serving
from tests.model_folders import RMS_GAIN, UNIT_GAIN, write_linear

from soundproof.certificate import content_id
from soundproof.client import AsyncClient

# The tiny model's clip has RMS 1: a perturbation of `reach` sigmas.
NORM = math.sqrt(TINY_SAMPLES)
VOTES = "soundproof_noise_samples_total"


def target_of(reach: float, sigma: float) -> float:
    return 20 * math.log10(NORM / (reach * sigma))


def refused(service: Service, clip: bytes = CLIP, **fields: Any) -> dict[str, Any]:
    with service.client() as client:
        answer = client.post("/certify", files={"audio": clip}, data={k: str(v) for k, v in fields.items()})
    assert answer.status_code == 422, answer.text
    problem: dict[str, Any] = answer.json()
    return problem


def outcomes(service: Service, outcome: str) -> float:
    return metric(service, "soundproof_certifications_total", contract="waveform", outcome=outcome)


def test_a_target_that_holds_is_certified_with_few_votes(service: Service) -> None:
    drawn, before = metric(service, VOTES, stage="estimation"), outcomes(service, "certified")
    target = target_of(2.0, 0.01)
    certificate = certify(service, sigma=0.01, target_snr_db=target, label="class-0")
    assert (certificate["outcome"], certificate["verdict"]) == ("certified", "certified")
    assert certificate["snr_cert_db"] == target
    assert certificate["radius"] == certificate["gate"]["target_radius"] == pytest.approx(0.02, rel=1e-9)
    assert certificate["sampling"]["samples_used"] == 361
    assert sum(certificate["sampling"]["counts"]) + certificate["sampling"]["invalid"] == 361
    assert certificate["gate"]["looks"] == [{"votes": 361, "errors": 0, "most_errors": 0}]
    assert certificate["gate"]["n"] == certificate["sampling"]["n"] == 10_000
    assert certificate["correct"] is (certificate["prediction"]["label"] == "class-0")
    assert certificate["file_domain"]["radius"] < certificate["radius"]
    assert certificate["certificate_id"] == content_id(certificate)
    assert metric(service, VOTES, stage="estimation") == drawn + 361
    assert outcomes(service, "certified") == before + 1


def test_from_easy_to_hard_targets_a_clip_is_certified_then_undecided_then_refuted(service: Service) -> None:
    """The radius that ten times as many votes prove says where; n is small, so that the middle is wide."""
    sigma = 0.15
    largest = certify(service, sigma=sigma, n=5_000)["radius"] / sigma
    before = {verdict: outcomes(service, verdict) for verdict in ("certified", "undecided", "refuted")}
    verdicts = []
    for reach in np.linspace(0.5 * largest, 1.6 * largest, 24):
        certificate = certify(service, sigma=sigma, n=500, target_snr_db=target_of(float(reach), sigma))
        gate, used = certificate["gate"], certificate["sampling"]["samples_used"]
        verdicts.append(certificate["verdict"])
        assert used == gate["looks"][-1]["votes"]
        assert gate["looks"][-1]["errors"] == used - max(certificate["sampling"]["counts"])
        if certificate["verdict"] == "certified":
            continue
        assert certificate["outcome"] == "abstained"
        assert [certificate[key] for key in ("prediction", "radius", "p_a_lower")] == [None] * 3
        assert gate["looks"][-1]["errors"] >= gate["hopeless_errors"]
        assert certificate["statement"].startswith(f"{certificate['verdict'].capitalize()}: {certificate['reason']}")
        if certificate["verdict"] == "undecided":
            assert used == 500
            assert gate["looks"][-1]["errors"] < used * gate["null_error"]
    assert verdicts[0] == "certified"
    assert verdicts[-1] == "refuted"
    assert "undecided" in verdicts
    for verdict, count in before.items():
        assert outcomes(service, verdict) == count + verdicts.count(verdict)


@pytest.fixture(scope="module")
def odd_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A model whose logits leave float32's range under noise, and one without a gain."""
    models = tmp_path_factory.mktemp("odd")
    weight = torch.ones(2, TINY_SAMPLES) * torch.tensor([[1.0], [-1.0]])
    write_linear(models / "overflows", 1e35 * weight, torch.zeros(2), gain=RMS_GAIN)
    write_linear(models / "no-gain", weight, torch.zeros(2), gain=UNIT_GAIN)
    with serving(models, models / "log") as running:
        yield running


def test_a_selection_without_a_class_abstains(odd_models: Service) -> None:
    certificate = certify(odd_models, model="overflows", sigma=1000, n0=1, target_snr_db=target_of(1.0, 1000.0), seed=1)
    assert (certificate["outcome"], certificate["verdict"]) == ("abstained", "abstained")
    assert certificate["sampling"]["selection_counts"] == [0, 0]
    assert certificate["gate"]["looks"] == []
    assert certificate["sampling"]["samples_used"] == 49
    assert outcomes(odd_models, "abstained") == 1


def test_a_silent_clip_has_no_snr_to_ask_for(odd_models: Service) -> None:
    silence = encode_pcm16(np.zeros((1, TINY_SAMPLES), np.float32), 16_000)
    problem = refused(odd_models, silence, model="no-gain", target_snr_db=40)
    assert problem["code"] == "impossible_plan"
    assert "silent clip has no SNR" in problem["detail"]


def test_what_cannot_succeed_is_refused_before_sampling_with_what_could(service: Service) -> None:
    drawn = metric(service, "soundproof_noise_samples_total")
    fields: dict[str, Any] = {"sigma": 0.01, "n": 1_000, "target_snr_db": target_of(2.6, 0.01)}
    problem = refused(service, **fields)
    assert problem["code"] == "impossible_plan"
    assert "1000 votes at sigma 0.01 cannot certify this clip down to an SNR of 57.7" in problem["detail"]
    assert metric(service, "soundproof_noise_samples_total") == drawn
    assert metric(service, "soundproof_queue_depth") == 0
    for name in ("n", "sigma", "target_snr_db"):
        least = problem["hint"].split(f"{name} of at least ")[1].split(" or ")[0].rstrip(".")
        assert certify(service, **fields | {name: least})["verdict"] == "certified"


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"target_snr_db": 200.5}, "invalid_request", "target_snr_db: must be a number between -60 and 200"),
        ({"target_snr_db": -61}, "invalid_request", "target_snr_db: must be a number between -60 and 200"),
        ({"target_snr_db": "nan"}, "invalid_request", "target_snr_db: must be a number between -60 and 200"),
        ({"target_snr_db": ""}, "invalid_request", "target_snr_db: must be a number between -60 and 200"),
        ({"target_snr_db": 60, "bound": "multiclass"}, "invalid_plan", "does not go with bound 'multiclass'"),
        ({"target_snr_db": 60, "n": 1_000_001}, "invalid_plan", "at most 1000000 samples"),
        ({"target_snr_db": 60, "n": 5}, "impossible_plan", "5 votes cannot certify anything"),
    ],
)
def test_a_gate_that_makes_no_sense_is_refused_in_words(
    service: Service, fields: dict[str, Any], code: str, words: str
) -> None:
    problem = refused(service, **fields)
    assert problem["code"] == code
    assert words in problem["detail"]


def test_features_have_no_snr(service: Service) -> None:
    fields: dict[str, Any] = {"model": "speech-commands-12", "contract": "feature", "target_snr_db": 60}
    problem = refused(service, YES.read_bytes(), **fields)
    assert problem["code"] == "invalid_plan"
    assert "features have no SNR" in problem["detail"]
    assert "post_processed" in problem["hint"]


def test_each_target_is_a_try_of_its_own_and_the_same_target_is_not(service: Service) -> None:
    def seed(**fields: Any) -> int:
        found: int = certify(service, sigma=0.01, n=500, **fields)["sampling"]["seed"]
        return found

    assert len({seed(), seed(target_snr_db=60), seed(target_snr_db=61)}) == 3
    assert seed(target_snr_db="60") == seed(target_snr_db="60.0") == seed(target_snr_db="6e1")
    wide: dict[str, Any] = {"sigma": 10, "n": 10_000}
    zeros = {certify(service, **wide, target_snr_db=zero)["sampling"]["seed"] for zero in ("0", "-0.0")}
    assert len(zeros) == 1


def test_the_same_gate_is_the_same_certificate(service: Service) -> None:
    fields: dict[str, Any] = {"sigma": 0.5, "n": 2_000, "target_snr_db": target_of(0.5, 0.5)}
    assert certify(service, **fields)["certificate_id"] == certify(service, **fields)["certificate_id"]


def test_a_post_processed_gate_is_about_the_composition(service: Service) -> None:
    fields: dict[str, Any] = {
        "contract": "post_processed",
        "transform": "rms",
        "sigma": 0.01,
        "target_snr_db": target_of(1.0, 0.01),
    }
    certificate = certify(service, **fields)
    assert certificate["verdict"] == "certified"
    assert certificate["sampling"]["samples_used"] == 49
    assert "behind the transform 'rms'" in certificate["statement"]


def test_a_recorded_yes_is_certified_at_70_db_with_361_votes(service: Service) -> None:
    fields: dict[str, Any] = {"model": "speech-commands-12", "label": "yes", "target_snr_db": 70}
    certificate = certify(service, YES.read_bytes(), **fields)
    assert certificate["verdict"] == "certified"
    assert certificate["correct"] is True
    assert certificate["sampling"]["samples_used"] <= 611


async def test_the_client_reads_a_gates_answer(service: Service) -> None:
    async with AsyncClient(service.url) as client:
        found = await client.certify(CLIP, sigma=0.01, target_snr_db=target_of(1.0, 0.01))
    assert found.verdict == "certified"
    assert found.gate is not None
    assert found.gate.looks[-1].votes == found.sampling.samples_used == 49
