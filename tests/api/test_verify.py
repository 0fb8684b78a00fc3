"""POST /verify: certificates as they were issued pass, and each thing that was tampered with is caught by its check."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.api.attack import metric
from tests.api.test_certify import CLIP, certify
from tests.api.verifying import detail, names, post, verify
from tests.audio.wav_bytes import encode_pcm16
from tests.conftest import TINY_SAMPLES, YES, Service, serving
from tests.model_folders import RMS_GAIN, random_linear, write_linear
from tests.verify.certificates import altered

from soundproof.signing import PrivateKey, write_private

SPEECH: dict[str, Any] = {"model": "speech-commands-12", "n": 60, "n0": 10}
GATE: dict[str, Any] = {"sigma": 0.01, "n": 5000, "target_snr_db": 66.1}


@pytest.fixture(scope="module")
def signing(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that signs."""
    folder = tmp_path_factory.mktemp("signing")
    write_private(folder / "key", PrivateKey(Ed25519PrivateKey.generate()).pem)
    with serving(models, folder / "log", SOUNDPROOF_SIGNING_KEY_FILE=str(folder / "key")) as running:
        yield running


@pytest.fixture(scope="module")
def issued(service: Service) -> dict[str, Any]:
    return certify(service, sigma=0.01, n=200, label="class-1")


@pytest.fixture(scope="module")
def gated(service: Service) -> dict[str, Any]:
    return certify(service, **GATE)


def caught(service: Service, found: dict[str, Any], clip: bytes = CLIP, **changes: Any) -> list[str]:
    """The checks that fail when these are changed and the certificate is addressed anew."""
    forged = altered(found, {path.replace("__", "."): value for path, value in changes.items()})
    report = verify(service, forged, clip, fresh_votes=100)
    assert report["result"] == "failed"
    return names(report, "failed")


CLIPS = {
    "mono": CLIP,
    "stereo at another rate": encode_pcm16(
        (0.1 * np.random.default_rng(5).standard_normal((2, 44_100))).astype(np.float32), 44_100
    ),
    "short": encode_pcm16((0.1 * np.random.default_rng(6).standard_normal((1, 300))).astype(np.float32), 16_000),
    "stereo": encode_pcm16((0.1 * np.random.default_rng(7).standard_normal((2, 500))).astype(np.float32), 16_000),
}


@pytest.mark.parametrize("clip", CLIPS.values(), ids=CLIPS)
def test_a_certificate_of_any_clip_passes(service: Service, clip: bytes) -> None:
    found = certify(service, clip, sigma=0.01, n=200)
    report = verify(service, found, clip, fresh_votes=100)
    assert report["result"] == "passed", report
    assert names(report, "skipped") == ["signature"]
    assert report["certificate_id"] == found["certificate_id"]
    assert report["statement"] == found["statement"]


KINDS: dict[str, dict[str, Any]] = {
    "feature": {**SPEECH, "contract": "feature"},
    "waveform": SPEECH,
    **{name: {**SPEECH, "contract": "post_processed", "transform": name} for name in ("clip", "peak", "peak_clean")},
    "rms": {"contract": "post_processed", "transform": "rms", "sigma": 0.01, "n": 200},
    "fixed": {"contract": "post_processed", "sigma": 0.01, "n": 200},
    "bfloat16": {**SPEECH, "precision": "bfloat16"},
    "lattice": {"noise": "lattice", "sigma": 0.01, "n": 200},
    "multiclass": {"bound": "multiclass", "sigma": 0.01, "n": 200},
    "abstained": {"sigma": 900, "n": 100},
    "gate certified": GATE,
    "gate certified on a lattice": {**GATE, "noise": "lattice"},
    "gate refuted": {"sigma": 5, "n": 300, "target_snr_db": 40},
    "gate undecided": {"sigma": 0.1, "n": 48, "target_snr_db": 46.1, "seed": 1},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_of_any_kind_passes(service: Service, kind: str) -> None:
    fields = KINDS[kind]
    clip = YES.read_bytes() if "model" in fields else CLIP
    found = certify(service, clip, **fields)
    if kind.startswith("gate"):
        assert found["verdict"] == kind.split()[1]
    report = verify(service, found, clip, fresh_votes=60)
    assert report["result"] == "passed", report
    assert names(report, "failed") == []
    fresh = {"fresh"} if found["outcome"] == "abstained" else set()
    assert set(names(report, "skipped")) == {"signature"} | fresh | ({"seed"} if "seed" in fields else set())


def test_a_seed_of_the_callers_passes_with_a_remark(service: Service) -> None:
    report = verify(service, certify(service, sigma=0.01, n=200, seed=5), CLIP, fresh_votes=100)
    assert report["result"] == "passed"
    assert "caller chose the seed" in detail(report, "seed")


def test_a_callers_seed_that_is_said_to_be_the_services_is_not_confirmed(service: Service) -> None:
    lie = altered(certify(service, sigma=0.01, n=200, seed=5), {"sampling.seed_source": "service"})
    report = verify(service, lie, CLIP, fresh_votes=100)
    assert "seed" in names(report, "skipped")
    assert "another seed" in detail(report, "seed")


TAMPERED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "radius": ({"radius": 0.1}, ["derived"]),
    "radius by very little": ({"radius": 0.02206}, ["derived"]),
    "lower bound": ({"p_a_lower": 0.999}, ["derived"]),
    "SNR": ({"snr_cert_db": 10.0}, ["derived"]),
    "count": ({"sampling__counts": [0, 199, 0]}, ["votes"]),
    "count moved to another class": ({"sampling__counts": [1, 199, 0]}, ["derived", "rerun"]),
    "selection": ({"sampling__selection_counts": [1, 99, 0]}, ["rerun"]),
    "selection of another class": ({"sampling__selection_counts": [100, 0, 0]}, ["derived", "rerun"]),
    "votes drawn": ({"sampling__samples_used": 100}, ["votes"]),
    "seed": ({"sampling__seed": 5}, ["rerun"]),
    "alpha": ({"sampling__alpha": 0.01}, ["derived"]),
    "block": ({"sampling__block_samples": 64}, ["derived"]),
    "prediction": ({"prediction__label": "class-2"}, ["derived"]),
    "label": ({"label": "class-2"}, ["derived"]),
    "label that is no class": ({"label": "class-9"}, ["derived"]),
    "contract": ({"contract__certified_object": "the clip, at any gain"}, ["derived"]),
    "contract's sigma": ({"contract__perturbation__sigma": 0.02}, ["derived"]),
    "contract's gain": ({"contract__representation__gain__value": 1.0}, ["derived"]),
    "contract's steps": ({"contract__representation__steps": []}, ["derived"]),
    "transform": ({"contract__transform__name": "clip"}, ["derived"]),
    "transform's definition": ({"contract__transform__definition": "2 w"}, ["derived"]),
    "statement": ({"statement": "All is well."}, ["derived"]),
    "unit": ({"radius_unit": "metres"}, ["derived"]),
    "ceiling": ({"radius_ceiling": 1.0}, ["derived"]),
    "floor": ({"snr_floor_db": 1.0}, ["derived"]),
    "saturation": ({"saturated": False}, ["derived"]),
    "file domain": ({"file_domain__radius": 1.0}, ["derived"]),
    "file domain's gain": ({"file_domain__gain_recomputed__radius": 1.0}, ["derived"]),
    "file domain left out": ({"file_domain": None}, ["derived"]),
    "diagnostics": ({"diagnostics__effective_norm_ratio": 0.5}, ["rerun"]),
    "audio's digest": ({"audio__sha256": "0" * 64}, ["audio"]),
    "audio's samples": ({"audio__samples_sha256": "0" * 64}, ["audio"]),
    "audio's rate": ({"audio__sample_rate_hz": 8000}, ["audio", "derived"]),
    "audio's level": ({"audio__rms_dbfs": -3.0}, ["audio", "derived"]),
    "model's version": ({"model__version": "2"}, ["model", "derived"]),
    "model's weights": ({"model__weights_sha256": "0" * 64}, ["model", "derived"]),
    "model's digest": ({"model__digest": "0" * 64}, ["model"]),
}


@pytest.mark.parametrize(("changes", "checks"), TAMPERED.values(), ids=TAMPERED)
def test_what_was_tampered_with_is_caught(
    service: Service, issued: dict[str, Any], changes: dict[str, Any], checks: list[str]
) -> None:
    """Addressed anew, so that the document's own address does not tell; without it see below."""
    assert issued["sampling"]["counts"] == [0, 200, 0]
    if issued["prediction"]["label"] == changes.get("label"):
        pytest.fail("nothing is changed")
    if "contract__transform__name" in changes:
        issued = certify(service, contract="post_processed", transform="peak", sigma=0.01, n=200)
    assert caught(service, issued, **changes)[: len(checks)] == checks


def test_the_first_differences_are_told_with_both_values(service: Service, issued: dict[str, Any]) -> None:
    told = detail(verify(service, altered(issued, {"radius": 0.1}), CLIP, fresh_votes=0), "derived")
    assert "radius: 0.1 is stated" in told
    assert str(issued["radius"]) in told


GATE_TAMPERED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "verdict": ({"verdict": None}, ["derived"]),
    "boundary": ({"gate__looks__0__most_errors": 5}, ["votes"]),
    "look": ({"gate__looks__0__votes": 40}, ["votes"]),
    "errors": ({"gate__looks__0__errors": 1}, ["votes"]),
    "looks": ({"gate__looks": []}, ["votes"]),
    "target": ({"gate__target_snr_db": 65.9}, ["votes"]),
    "target radius": ({"gate__target_radius": 0.02}, ["derived"]),
    "null error": ({"gate__null_error": 0.5}, ["derived"]),
}


@pytest.mark.parametrize(("changes", "checks"), GATE_TAMPERED.values(), ids=GATE_TAMPERED)
def test_a_tampered_gate_is_caught(
    service: Service, gated: dict[str, Any], changes: dict[str, Any], checks: list[str]
) -> None:
    assert caught(service, gated, **changes)[: len(checks)] == checks


def test_a_gates_verdict_that_its_looks_do_not_give_is_caught(service: Service) -> None:
    refuted = certify(service, sigma=5, n=300, target_snr_db=40)
    assert caught(service, refuted, verdict="undecided") == ["derived"]


def test_a_tampered_sample_is_caught_by_the_audio(service: Service, issued: dict[str, Any]) -> None:
    other = bytearray(CLIP)
    other[-1] ^= 1
    report = verify(service, issued, bytes(other))
    assert names(report, "failed") == ["audio"]
    assert "another sound" in detail(report, "rerun")


def test_the_same_sound_in_another_file_is_said_to_be_that(service: Service, issued: dict[str, Any]) -> None:
    report = verify(service, issued, CLIP + b"\0", fresh_votes=0)
    assert names(report, "failed") == ["audio"]
    assert "only the file is another" in detail(report, "audio")
    assert "derived" in names(report, "passed")


def test_a_tampered_id_is_caught_by_the_document(service: Service, issued: dict[str, Any]) -> None:
    forged = altered(issued, {"certificate_id": "sha256:" + "0" * 64})
    assert names(verify(service, forged, CLIP, fresh_votes=0), "failed") == ["document"]


def test_a_tampered_model_weight_is_caught_by_the_model(
    service: Service, issued: dict[str, Any], tmp_path: Path
) -> None:
    weight, bias = random_linear(TINY_SAMPLES, classes=3)
    weight[0, 0] += 1e-6
    other = write_linear(tmp_path / "models" / "a-tiny", weight, bias, gain=RMS_GAIN)
    with serving(tmp_path / "models", tmp_path / "log") as altered_service:
        report = verify(altered_service, issued, CLIP)
    assert names(report, "failed") == ["model"]
    assert other.digest in detail(report, "model")


def test_a_signature_is_made_and_passes_and_covers_what_has_no_address(signing: Service) -> None:
    found = certify(signing, sigma=0.01, n=200)
    assert found["signature"]["algorithm"] == "ed25519"
    report = verify(signing, found, CLIP, rerun=False, fresh_votes=0)
    assert report["result"] == "passed"
    assert names(report, "skipped") == ["rerun", "fresh"]
    for changes in ({"created_at": "2020-01-01T00:00:00Z"}, {"signature.value": "0" * 128}, {"signature": None}):
        forged = altered(found, changes)
        assert forged["certificate_id"] == found["certificate_id"]
        assert names(verify(signing, forged, CLIP, rerun=False, fresh_votes=0), "failed") == ["signature"]


def test_a_claim_beyond_the_truth_is_refuted_by_fresh_votes(service: Service) -> None:
    candidates = (certify(service, sigma=sigma, n=500) for sigma in (0.2, 0.3, 0.4, 0.5))
    found = next(c for c in candidates if c["outcome"] == "certified" and max(c["sampling"]["counts"]) < 450)
    assert "fresh" in names(verify(service, found, CLIP), "passed")
    bold = altered(found, {"p_a_lower": 0.99})
    assert names(verify(service, bold, CLIP), "failed") == ["derived", "fresh"]


def test_without_a_signature_and_without_votes_nothing_is_shown(service: Service, issued: dict[str, Any]) -> None:
    report = verify(service, issued, CLIP, rerun=False, fresh_votes=0)
    assert report["result"] == "inconclusive"
    assert names(report, "failed") == []


def test_it_may_be_sent_as_text_and_is_counted(service: Service, issued: dict[str, Any]) -> None:
    before = metric(service, "soundproof_verifications_total", result="passed")
    with service.client() as client:
        sent = client.post("/verify", files={"audio": CLIP}, data={"certificate": json.dumps(issued), "rerun": "true"})
    assert sent.json()["result"] == "passed"
    assert metric(service, "soundproof_verifications_total", result="passed") == before + 1


def test_a_clip_that_is_refused_is_an_error(service: Service, issued: dict[str, Any]) -> None:
    answer = post(service, issued, b"not audio")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_audio")
