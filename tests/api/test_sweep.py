"""POST /certify/sweep: several contracts and sigmas for one clip."""

from typing import Any

import pytest
from tests.api.test_certify import CLIP, certify
from tests.conftest import YES, Service

SETTINGS = "waveform:0.0025,waveform:0.02,feature:0.02,clip:0.0025"


def sweep(service: Service, clip: bytes = YES.read_bytes(), **fields: Any) -> dict[str, Any]:
    with service.client() as client:
        answer = client.post("/certify/sweep", files={"audio": clip}, data={k: str(v) for k, v in fields.items()})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refusal(service: Service, **fields: Any) -> tuple[int, str]:
    with service.client() as client:
        answer = client.post("/certify/sweep", files={"audio": CLIP}, data={k: str(v) for k, v in fields.items()})
    return answer.status_code, answer.json()["detail"]


def test_each_setting_gets_the_certificate_that_it_would_get_alone(service: Service) -> None:
    fields: dict[str, Any] = {"model": "speech-commands-12", "n": 150, "label": "yes"}
    found = sweep(service, settings=SETTINGS, **fields)
    alone = [
        certify(service, YES.read_bytes(), contract="waveform", sigma=0.0025, **fields),
        certify(service, YES.read_bytes(), contract="waveform", sigma=0.02, **fields),
        certify(service, YES.read_bytes(), contract="feature", sigma=0.02, **fields),
        certify(service, YES.read_bytes(), contract="post_processed", transform="clip", sigma=0.0025, **fields),
    ]
    assert [c["certificate_id"] for c in found["certificates"]] == [c["certificate_id"] for c in alone]
    assert (found["confidence"], found["alpha_each"], found["alpha_all"]) == ("each", 0.001, 0.004)
    assert "99.9 %" in found["statement"]
    assert "99.6 %" in found["statement"]


def test_all_at_once_shares_alpha_out(service: Service) -> None:
    found = sweep(service, CLIP, settings="waveform:0.01,waveform:0.02", confidence="all", n=200)
    assert [c["sampling"]["alpha"] for c in found["certificates"]] == [0.0005, 0.0005]
    assert (found["alpha_each"], found["alpha_all"]) == (0.0005, 0.001)
    assert found["statement"].endswith("all of them at once with confidence 99.9 %.")
    alone = certify(service, CLIP, sigma=0.01, n=200, alpha=0.0005)
    assert found["certificates"][0]["certificate_id"] == alone["certificate_id"]


def test_sigma_can_be_left_to_the_model(service: Service) -> None:
    [one] = sweep(service, CLIP, settings="waveform", n=200)["certificates"]
    assert one["certificate_id"] == certify(service, CLIP, n=200)["certificate_id"]


def test_a_gate_is_asked_under_every_setting(service: Service) -> None:
    found = sweep(service, CLIP, settings="waveform:0.02,fixed:0.02", target_snr_db=60, n=2000)
    assert [c["gate"]["target_snr_db"] for c in found["certificates"]] == [60, 60]


@pytest.mark.parametrize(
    ("settings", "status", "said"),
    [
        ("", 422, "settings"),
        (",".join(f"waveform:{i + 1}" for i in range(17)), 422, "must be 1 to 16 settings"),
        ("loud:0.1", 422, "each name one of waveform, feature, fixed, rms, clip, peak, peak_clean"),
        ("waveform:", 422, "NAME:SIGMA"),
        ("waveform:nan", 422, "NAME:SIGMA"),
        ("waveform:1e400", 422, "In setting 'waveform:1e400', sigma"),
        ("waveform:0", 422, "In setting 'waveform:0', sigma"),
        ("waveform:0.1,waveform:0.1", 422, "must not repeat a setting"),
        ("waveform:0.1,feature:0.1", 422, "no features"),
    ],
)
def test_a_setting_that_cannot_be_asked_for_is_named(service: Service, settings: str, status: int, said: str) -> None:
    found, detail = refusal(service, settings=settings)
    assert found == status
    assert said in detail


def test_a_share_of_alpha_that_is_too_small_is_refused(service: Service) -> None:
    found, detail = refusal(service, settings="waveform:0.1,fixed:0.1", confidence="all", alpha=1e-9)
    assert found == 422
    assert "alpha" in detail


def test_a_contract_or_sigma_beside_the_settings_is_refused(service: Service) -> None:
    found, detail = refusal(service, settings="waveform:0.1", sigma=0.1)
    assert found == 422
    assert "sigma: is not a field of this form" in detail


def test_one_setting_that_cannot_be_done_fails_the_whole_before_anything_is_drawn(service: Service) -> None:
    found, detail = refusal(service, settings="waveform:0.01,waveform:0.001", target_snr_db=30, n=300)
    assert found == 422
    assert "30 dB" in detail
