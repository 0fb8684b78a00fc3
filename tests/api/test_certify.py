"""POST /certify against the running service: what a good request gets."""

import math
import threading
from typing import Any

import httpx
import numpy as np
import pytest
from tests.api.attack import metric
from tests.audio.wav_bytes import encode_pcm16
from tests.conftest import TINY_SAMPLES, YES, Service

from soundproof.certificate import content_id

CLIP = encode_pcm16((0.1 * np.random.default_rng(3).standard_normal((1, TINY_SAMPLES))).astype(np.float32), 16_000)


def certify(service: Service, clip: bytes = CLIP, **fields: Any) -> dict[str, Any]:
    with service.client() as client:
        answer = client.post("/certify", files={"audio": clip}, data={k: str(v) for k, v in fields.items()})
    assert answer.status_code == 200, answer.text
    certificate: dict[str, Any] = answer.json()
    return certificate


def test_a_certificate_says_what_was_certified_and_how_surely(service: Service) -> None:
    certificate = certify(service, sigma=0.01, n=1000, label="class-0")
    assert certificate["outcome"] == "certified"
    assert certificate["sampling"]["samples_used"] == 1000
    assert sum(certificate["sampling"]["counts"]) + certificate["sampling"]["invalid"] == 1000
    assert sum(certificate["sampling"]["selection_counts"]) == 100
    assert certificate["prediction"]["label"] in certificate["statement"]
    assert "99.9 %" in certificate["statement"]
    assert certificate["correct"] is (certificate["prediction"]["label"] == "class-0")
    assert 0 < certificate["radius"] <= certificate["radius_ceiling"]
    assert certificate["snr_cert_db"] >= certificate["snr_floor_db"]
    expected_snr = 20 * math.log10(math.sqrt(TINY_SAMPLES) / certificate["radius"])
    assert certificate["snr_cert_db"] == pytest.approx(expected_snr, abs=1e-6)
    assert certificate["contract"]["representation"]["gain"]["policy"] == "rms"
    assert certificate["compute"]["device"] == "cpu"


def test_the_certificate_id_is_the_address_of_its_content(service: Service) -> None:
    certificate = certify(service, sigma=0.01, n=200)
    assert certificate["certificate_id"] == content_id(certificate)
    tampered = certificate | {"radius": certificate["radius"] * 1.0001}
    assert content_id(tampered) != certificate["certificate_id"]


def test_the_same_request_gets_the_same_certificate_whatever_runs_beside_it(service: Service) -> None:
    alone = certify(service, n=5000)
    others: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: others.append(certify(service, n=5000))) for _ in range(4)]
    threads += [threading.Thread(target=lambda: certify(service, n=3000, seed=9)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(others) == 4
    assert {other["certificate_id"] for other in others} == {alone["certificate_id"]}


def test_a_seed_of_the_callers_is_marked_and_reproduces_the_run(service: Service) -> None:
    first, second = certify(service, n=500, seed=11), certify(service, n=500, seed=11)
    other = certify(service, n=500, seed=12)
    assert first["sampling"]["seed_source"] == "caller"
    assert first["sampling"]["seed"] == 11
    assert first["certificate_id"] == second["certificate_id"]
    assert other["certificate_id"] != first["certificate_id"]
    assert certify(service, n=500)["sampling"]["seed_source"] == "service"


def test_clips_never_share_noise_even_under_the_same_seed(service: Service) -> None:
    quieter = encode_pcm16(
        (0.05 * np.random.default_rng(3).standard_normal((1, TINY_SAMPLES))).astype(np.float32), 16_000
    )
    one, two = certify(service, n=2000, seed=1, sigma=1), certify(service, quieter, n=2000, seed=1, sigma=1)
    assert one["sampling"]["counts"] != two["sampling"]["counts"]


def test_noise_that_drowns_the_clip_is_answered_with_an_abstention(service: Service) -> None:
    certificate = certify(service, sigma=900, n=100)
    assert certificate["outcome"] == "abstained"
    assert certificate["radius"] is None
    assert certificate["prediction"] is None
    assert certificate["reason"] in certificate["statement"]


def test_a_feature_certificate_claims_nothing_about_waveforms(service: Service) -> None:
    certificate = certify(service, YES.read_bytes(), model="speech-commands-12", contract="feature", n=200)
    assert certificate["snr_cert_db"] is None
    assert certificate["snr_floor_db"] is None
    assert certificate["file_domain"] is None
    assert certificate["contract"]["perturbation"]["space"] == "feature"
    assert "nothing about waveforms" in certificate["statement"]


@pytest.mark.parametrize("transform", ["fixed", "rms", "clip", "peak", "peak_clean"])
def test_a_post_processed_certificate_names_its_transform(service: Service, transform: str) -> None:
    certificate = certify(service, contract="post_processed", transform=transform, sigma=0.01, n=200)
    assert certificate["contract"]["transform"]["name"] == transform
    assert repr(transform) in certificate["statement"]
    # Under RMS gain every clip has RMS 1, so 'rms' is one map for all clips; the peak is each clip's own.
    assert certificate["contract"]["transform"]["uses_clean_level"] is (transform == "peak_clean")


def test_features_of_a_model_without_a_front_end_are_refused(service: Service) -> None:
    with service.client() as client:
        answer = client.post("/certify", files={"audio": CLIP}, data={"contract": "feature"})
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_plan"


def test_packing_the_same_sound_differently_does_not_draw_another_seed(service: Service) -> None:
    packed = [certify(service, CLIP + bytes([i]), n=200) for i in range(3)]
    assert len({certificate["audio"]["sha256"] for certificate in packed}) == 3
    assert len({certificate["audio"]["samples_sha256"] for certificate in packed}) == 1
    assert len({certificate["sampling"]["seed"] for certificate in packed}) == 1


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000, 192_000])
def test_channels_that_cancel_are_silence_at_every_rate(service: Service, rate_hz: int) -> None:
    left = 0.1 * np.random.default_rng(rate_hz).standard_normal(rate_hz // 4)
    with service.client() as client:
        answer = client.post("/certify", files={"audio": encode_pcm16(np.stack([left, -left]), rate_hz)})
    assert answer.status_code == 422
    assert answer.json()["code"] == "silent_audio"


def test_the_multiclass_bound_is_named_and_spends_half_of_alpha_on_each_side(service: Service) -> None:
    certificate = certify(service, bound="multiclass", sigma=0.01, n=1000, alpha=0.002)
    assert certificate["sampling"]["bound"] == "multiclass"
    plain = certify(service, sigma=0.01, n=1000, alpha=0.001)
    assert certificate["radius_ceiling"] == pytest.approx(plain["radius_ceiling"], rel=1e-12)


def test_stereo_at_another_rate_is_certified_and_lifted_to_the_file(service: Service) -> None:
    samples = 0.1 * np.random.default_rng(5).standard_normal((2, 44_100))
    certificate = certify(service, encode_pcm16(samples.astype(np.float32), 44_100), sigma=0.01, n=200)
    assert certificate["contract"]["representation"]["steps"] == ["mono", "resample", "crop_pad", "gain"]
    domain, gain = certificate["file_domain"], certificate["contract"]["representation"]["gain"]["value"]
    assert domain["radius"] == pytest.approx(certificate["radius"] / (gain * domain["operator_norm"]), rel=1e-8)
    assert domain["gain_recomputed"]["radius"] <= domain["radius"]
    assert certificate["audio"]["cropped_frames"] == 16_000 - TINY_SAMPLES


def test_a_recorded_yes_is_certified_as_yes_by_the_bundled_model(service: Service) -> None:
    certificate = certify(service, YES.read_bytes(), model="speech-commands-12", n=1000, label="yes")
    assert certificate["outcome"] == "certified"
    assert certificate["correct"] is True
    assert certificate["prediction"] == {"index": 11, "label": "yes"}


def test_the_file_name_is_ignored(service: Service) -> None:
    with service.client() as client:
        files = {"audio": ("../../etc/x\r\n.wav", CLIP, "text/html")}
        answer = client.post("/certify", files=files, data={"n": "200"})
    assert answer.status_code == 200
    assert answer.json()["certificate_id"] == certify(service, n=200)["certificate_id"]


def test_models_say_what_is_served(service: Service) -> None:
    with service.client() as client:
        listed = client.get("/models").json()
        one = client.get("/models/speech-commands-12").json()
    assert listed["default"] == "a-tiny"
    assert {entry["name"]: entry["state"] for entry in listed["models"]} == {
        "a-tiny": "ready",
        "speech-commands-12": "ready",
    }
    assert listed["limits"]["max_samples"] == 1_000_000
    assert len(one["manifest"]["classes"]) == 12
    assert one["manifest"]["measured"]["clean_accuracy"] >= 0.9


def test_metrics_count_requests_samples_and_outcomes(service: Service) -> None:
    def votes() -> float:
        return metric(service, "soundproof_noise_samples_total", stage="estimation")

    def certificates() -> float:
        return metric(service, "soundproof_certifications_total", contract="waveform", outcome="certified")

    estimated, certified = votes(), certificates()
    certify(service, sigma=0.01, n=300)
    assert votes() == estimated + 300
    assert certificates() == certified + 1
    assert metric(service, "soundproof_queue_depth") == 0
    assert metric(service, "soundproof_ready") == 1


def test_unknown_addresses_do_not_make_new_metrics(service: Service) -> None:
    with service.client() as client:
        for i in range(5):
            assert client.get(f"/nowhere/{i}").status_code == 404
        exposition = client.get("/metrics").text
    assert 'route="unmatched"' in exposition
    assert "nowhere" not in exposition


def test_the_docs_page_needs_no_other_host(service: Service) -> None:
    with service.client() as client:
        page = client.get("/docs").text
        assert "https://" not in page
        script = page.split('src="')[1].split('"')[0]
        assert client.get(script).status_code == 200
        assert client.get("/livez").json() == {"status": "alive"}


def test_a_client_that_leaves_stops_its_certification(service: Service) -> None:
    with pytest.raises(httpx.ReadTimeout), httpx.Client(base_url=service.url, timeout=1.5) as client:
        client.post("/certify", files={"audio": YES.read_bytes()}, data={"model": "speech-commands-12", "n": "1000000"})
    # A run of a million samples would take many minutes: an answer now means that its place is free again.
    with service.client() as client:
        for _ in range(100):
            if "soundproof_queue_depth 0.0" in client.get("/metrics").text:
                break
            threading.Event().wait(0.1)
        else:
            pytest.fail("the abandoned certification still holds its place")
    certify(service, n=200)


def test_a_certificate_in_bfloat16_is_one_of_another_classifier(service: Service) -> None:
    fields = {"model": "speech-commands-12", "n": 200, "seed": 5}
    full, half = (certify(service, YES.read_bytes(), precision=name, **fields) for name in ("float32", "bfloat16"))
    assert (full["sampling"]["precision"], half["sampling"]["precision"]) == ("float32", "bfloat16")
    assert full["sampling"]["backend"].startswith("torch ")
    assert half["prediction"] == full["prediction"]
    assert half["certificate_id"] != full["certificate_id"]
    assert certify(service, YES.read_bytes(), **fields)["certificate_id"] == full["certificate_id"]
    assert "bfloat16" in half["statement"]
    assert "bfloat16" not in full["statement"]


def test_a_model_that_has_no_such_precision_says_which_it_has(service: Service) -> None:
    with service.client() as client:
        answer = client.post("/certify", files={"audio": CLIP}, data={"precision": "bfloat16"})
        listed = {model["name"]: model["precisions"] for model in client.get("/models").json()["models"]}
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_plan"
    assert answer.json()["hint"] == "It computes in float32."
    assert listed["speech-commands-12"] == ["float32", "bfloat16"]
