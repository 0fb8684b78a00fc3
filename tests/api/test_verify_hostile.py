"""POST /verify is where forgers send what they like: a clean report or a 4xx, soon, and the service unharmed."""

import json
import time
from typing import Any

import pytest
from tests.api.attack import (
    BOUNDARY,
    GOOD,
    MULTIPART,
    certificate,
    connection,
    form,
    head,
    metric,
    part,
    upload,
    wait_for,
)
from tests.api.verifying import detail, names, post, verify
from tests.conftest import Service
from tests.verify.certificates import altered

pytestmark = pytest.mark.usefixtures("unharmed")
MILLION = 1_000_000


@pytest.fixture(scope="module")
def issued(service: Service) -> dict[str, Any]:
    return certificate(upload(service, GOOD))


HUGE = 10**18
HOSTILE: dict[str, dict[str, Any]] = {
    "counts of 10^18": {"sampling.counts": [HUGE, HUGE, HUGE]},
    "counts and votes of 10^18": {
        "sampling.counts": [HUGE, 0, 0],
        "sampling.samples_used": HUGE,
        "sampling.n": HUGE,
    },
    "negative counts": {"sampling.counts": [-1, 201, 0]},
    "another number of classes": {"sampling.counts": [200]},
    "no classes": {"sampling.counts": [], "sampling.selection_counts": []},
    "300,000 classes": {"sampling.counts": [0] * 300_000},
    "n beyond counts": {"sampling.n": 300},
    "n0 of none": {"sampling.n0": 0},
    "n0 of 10^18": {"sampling.n0": HUGE},
    "sigma of nothing": {"contract.perturbation.sigma": 5e-324},
    "sigma beyond": {"contract.perturbation.sigma": 1e308},
    "alpha of none": {"sampling.alpha": 0.0},
    "alpha of all": {"sampling.alpha": 1.0},
    "a seed beyond": {"sampling.seed": HUGE},
    "a class beyond": {"prediction.index": HUGE},
    "a class before": {"prediction.index": -1},
    "a probability beyond": {"p_a_lower": 1e300},
    "geometry beyond": {"diagnostics.d_geom": 1e308, "diagnostics.samples": HUGE},
    "a radius beyond": {"radius": 1e308},
    "blocks beyond": {"sampling.block_samples": 65_536 * 1000},
    "a generator of our own": {"sampling.generator": "mine", "sampling.counts": [HUGE, HUGE, HUGE]},
    "long strings": {"statement": "x" * 500_000, "model.name": "y" * 200_000},
    "control characters": {"model.digest": "\x1b[2J" * 1000},
    "a gate that was not asked": {
        "gate": {
            "target_snr_db": 66.1,
            "target_radius": 1.0,
            "null_error": 0.1,
            "n": HUGE,
            "looks": [{"votes": HUGE, "errors": 0, "most_errors": 0}] * 10_000,
            "hopeless_errors": HUGE,
        }
    },
    "a gate out of range": {
        "gate": {
            "target_snr_db": 1e300,
            "target_radius": 1.0,
            "null_error": 0.1,
            "n": 200,
            "looks": [],
            "hopeless_errors": 1,
        }
    },
    "a gate that nothing passes": {
        "gate": {
            "target_snr_db": -60.0,
            "target_radius": 1.0,
            "null_error": 0.1,
            "n": 200,
            "looks": [],
            "hopeless_errors": 1,
        }
    },
}


@pytest.mark.parametrize("changes", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_certificate_gets_a_short_report_soon(
    service: Service, issued: dict[str, Any], changes: dict[str, Any]
) -> None:
    started = time.monotonic()
    report = verify(service, altered(issued, changes), GOOD, fresh_votes=50)
    assert time.monotonic() - started < 10
    assert report["result"] == "failed"
    assert "document" in names(report, "passed")
    text = json.dumps(report)
    assert len(text) < 20_000
    assert "\\u001b" not in text


@pytest.mark.parametrize("data", [b"", b"[" * 900_000, b"{}", b"\xff", b'{"schema_version": "9"}'])
def test_what_is_no_certificate_fails_as_a_document(service: Service, data: bytes) -> None:
    report = verify(service, data, GOOD)
    assert names(report, "failed") == ["document"]
    assert report["certificate_id"] is None


def many_votes(issued: dict[str, Any], n: int) -> dict[str, Any]:
    top = issued["prediction"]["index"]
    counts = [n if c == top else 0 for c in range(3)]
    return altered(issued, {"sampling.n": n, "sampling.samples_used": n, "sampling.counts": counts})


def test_more_votes_than_the_service_draws_are_not_drawn(service: Service, issued: dict[str, Any]) -> None:
    report = verify(service, many_votes(issued, 10 * MILLION), GOOD, fresh_votes=50)
    assert "at most 1000000" in detail(report, "rerun")
    assert names(report, "failed") == ["derived"]


def test_a_client_that_leaves_ends_the_votes(service: Service, issued: dict[str, Any]) -> None:
    body = form(
        part("audio", GOOD, "clip.wav"),
        part("certificate", json.dumps(many_votes(issued, MILLION)), "certificate.json"),
    )
    with connection(service) as leaving:
        leaving.send(head("POST /verify", Content_Length=len(body)), body)
        assert wait_for(lambda: metric(service, "soundproof_queue_depth") > 0)
    assert wait_for(lambda: metric(service, "soundproof_queue_depth") == 0)


def refused(service: Service, *parts: bytes) -> tuple[int, str, str]:
    assert BOUNDARY in MULTIPART.encode()
    with service.client() as client:
        answer = client.post("/verify", content=form(*parts), headers={"Content-Type": MULTIPART})
    problem = answer.json()
    return answer.status_code, problem["code"], problem["detail"]


def test_a_form_that_is_wrong_is_refused_by_name(service: Service, issued: dict[str, Any]) -> None:
    audio, text = part("audio", GOOD, "clip.wav"), json.dumps(issued)
    document = part("certificate", text, "c.json")
    assert refused(service, audio) == (422, "invalid_request", "certificate: Field required")
    assert refused(service, document)[2] == "audio: a file part is required"
    assert "once only" in refused(service, audio, document, part("certificate", text))[2]
    assert "at most 1048576 bytes" in refused(service, audio, part("certificate", b" " * 2_000_000, "c.json"))[2]
    assert refused(service, audio, part("certificate", b" " * 2_000_000))[:2] == (400, "bad_request")
    assert "between 0 and 100,000" in refused(service, audio, document, part("fresh_votes", "-1"))[2]
    assert "fresh_votes" in refused(service, audio, document, part("fresh_votes", "1e3"))[2]
    assert "rerun" in refused(service, audio, document, part("rerun", "perhaps"))[2]
    assert "certificate, rerun, fresh_votes" in refused(service, audio, document, part("n", "5"))[2]
    assert "not a file" in refused(service, audio, document, part("rerun", "true", "rerun.txt"))[2]


def test_a_file_that_is_no_certificate_of_several_is_answered(service: Service) -> None:
    assert post(service, b"x" * 2_000_000, GOOD).status_code == 422
