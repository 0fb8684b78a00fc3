"""POST /certify with progress: a stream of events."""

import json
from typing import Any

import httpx
from tests.api.attack import metric, wait_for
from tests.api.test_certify import CLIP, certify
from tests.conftest import Service

from soundproof.certificate import content_id


def events(service: Service, clip: bytes = CLIP, **fields: Any) -> list[tuple[str, dict[str, Any]]]:
    """(name, data) of every event."""
    form = {"progress": "true"} | {name: str(value) for name, value in fields.items()}
    with service.client() as client, client.stream("POST", "/certify", files={"audio": clip}, data=form) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = "".join(answer.iter_text())
    found = []
    for event in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in event.splitlines() if not line.startswith(":"))
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


def test_progress_is_told_and_then_the_very_certificate(service: Service) -> None:
    *told, (last, certificate) = events(service, n=100_000, seed=3)
    assert last == "certificate"
    assert content_id(certificate) == certificate["certificate_id"]
    assert certificate["certificate_id"] == certify(service, n=100_000, seed=3)["certificate_id"]
    assert told
    assert {name for name, _ in told} == {"progress"}
    samples = [data["samples"] for _, data in told]
    assert samples == sorted(samples)
    assert {data["samples_planned"] for _, data in told} == {100_100}
    running = [data["running"] for _, data in told if data["running"]]
    assert running
    for bound in running:
        assert 0 < bound["p_a_lower"] < certificate["p_a_lower"]  # it pays for being watched
        assert bound["radius"] is None or bound["radius"] < certificate["radius"]
    assert told[-1][1]["prediction"] == certificate["prediction"]["label"]


def test_of_a_gate_no_bound_is_told(service: Service) -> None:
    *told, (last, certificate) = events(service, target_snr_db=60, sigma=0.02)
    assert last == "certificate"
    assert certificate["verdict"] == "certified"
    assert all(data["running"] is None for _, data in told)


def test_what_is_wrong_with_the_request_is_a_problem_as_ever(service: Service) -> None:
    with service.client() as client:
        bad_clip = client.post("/certify", files={"audio": b"RIFF"}, data={"progress": "true"})
        bad_model = client.post("/certify", files={"audio": CLIP}, data={"progress": "true", "model": "nobody"})
    assert (bad_clip.status_code, bad_clip.json()["code"]) == (422, "malformed_wav")
    assert (bad_model.status_code, bad_model.json()["code"]) == (404, "unknown_model")


def test_what_fails_later_is_an_event(service: Service) -> None:
    [(name, problem)] = events(service, target_snr_db=0, sigma=1e-3, n=100)
    assert name == "problem"
    assert (problem["status"], problem["code"]) == (422, "impossible_plan")
    assert problem["request_id"]


def test_a_client_that_leaves_ends_the_work(service: Service) -> None:
    form = {"progress": "true", "n": "1000000"}
    cancelled = metric(service, "soundproof_certifications_total", outcome="cancelled")
    with service.client() as client, client.stream("POST", "/certify", files={"audio": CLIP}, data=form) as answer:
        next(answer.iter_text())
    assert wait_for(lambda: metric(service, "soundproof_queue_depth") == 0)
    assert metric(service, "soundproof_certifications_total", outcome="cancelled") == cancelled + 1


def test_without_progress_the_answer_is_json(service: Service) -> None:
    with service.client() as client:
        answer: httpx.Response = client.post("/certify", files={"audio": CLIP}, data={"progress": "false", "n": "200"})
    assert answer.headers["content-type"] == "application/json"
