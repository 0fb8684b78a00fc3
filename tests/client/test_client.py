"""Both clients, call by call: what is sent, and what an answer becomes."""

import inspect
import json
from email import message_from_bytes
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from tests.client.made import certificate, tone
from tests.client.made_jobs import ID, Service, job, problem

from soundproof.certificate import CertifiedCertificate
from soundproof.client import AsyncClient, Client, ProblemError
from soundproof.job import Job, State


@pytest.fixture(params=["sync", "async"])
def service(request: pytest.FixtureRequest) -> Service:
    return Service(request.param)


def parts(request: httpx.Request) -> dict[str, list[tuple[str | None, bytes]]]:
    """The parts of a form by name: their file's name and their content."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    found: dict[str, list[tuple[str | None, bytes]]] = {}
    for part in message_from_bytes(head + request.content).get_payload():
        assert not isinstance(part, str)
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(name, str)
        assert isinstance(content, bytes)
        found.setdefault(name, []).append((part.get_filename(), content))
    return found


def test_both_have_the_same_methods_with_the_same_arguments() -> None:
    def methods(kind: type) -> dict[str, list[inspect.Parameter]]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {
            name: list(inspect.signature(method).parameters.values())
            for name, method in found
            if not name.startswith("_")
        }

    assert methods(Client) == methods(AsyncClient)
    assert set(methods(Client)) >= {"certify", "sweep", "verify", "certificate", "models", "ready", "submit", "wait"}


def test_a_clip_is_sent_as_it_is_with_the_fields_that_are_given(service: Service, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(tone())
    for clip in (tone(), tmp_path / "a.wav", str(tmp_path / "a.wav")):
        service.answers.append(httpx.Response(200, json=certificate()))
        found = service("certify", clip, sigma=0.02, n=100, label=None)
        assert isinstance(found, CertifiedCertificate)
        assert parts(service.requests[-1]) == {
            "sigma": [(None, b"0.02")],
            "n": [(None, b"100")],
            "audio": [("clip.wav", tone())],
        }
    assert {(request.method, request.url.path) for request in service.requests} == {("POST", "/certify")}


@pytest.mark.parametrize(("told", "cached"), [("true", True), ("false", False), (None, False)])
def test_an_answer_has_the_bytes_and_says_whether_it_was_kept(service: Service, told: str | None, cached: bool) -> None:
    body = json.dumps(certificate(), indent=3).encode()
    service.answers = [httpx.Response(200, content=body, headers={} if told is None else {"Cached": told})]
    answer = service("answer", tone())
    assert (answer.body, answer.cached) == (body, cached)
    assert answer.certificate.certificate_id == certificate()["certificate_id"]


def test_a_kept_certificate_is_asked_for_by_its_id(service: Service) -> None:
    service.answers = [httpx.Response(200, json=certificate())]
    answer = service("certificate", "sha256:00/..")
    assert service.requests[0].url.raw_path == b"/certificates/sha256%3A00%2F.."
    assert answer.cached
    assert json.loads(answer.body) == certificate()


def test_a_certificate_is_verified_as_the_bytes_it_has(service: Service) -> None:
    checks = [{"name": "document", "result": "passed", "detail": "whole"}]
    report = {"result": "passed", "summary": "", "certificate_id": None, "statement": None, "checks": checks}
    service.answers = [httpx.Response(200, json=report)]
    assert service("verify", b'{"a": 1}', tone(), rerun=False).result == "passed"
    sent = parts(service.requests[0])
    assert sent["certificate"] == [("certificate.json", b'{"a": 1}')]
    assert sent["rerun"] == [(None, b"false")]


def test_a_sweep_sends_its_settings(service: Service) -> None:
    body = {"confidence": "each", "alpha_each": 0.001, "alpha_all": 0.001, "statement": "", "certificates": []}
    service.answers = [httpx.Response(200, json=body)]
    assert service("sweep", tone(), "waveform:0.02", n=50).alpha_all == 0.001
    assert parts(service.requests[0])["settings"] == [(None, b"waveform:0.02")]


def test_models_are_listed(service: Service) -> None:
    service.answers = [httpx.Response(200, json={"default": "a", "models": []})]
    assert service("models") == {"default": "a", "models": []}


def test_ready_tells_a_service_that_starts_or_is_gone_from_one_that_works(service: Service) -> None:
    service.answers = [problem(503, "not_ready"), httpx.ConnectError("refused"), httpx.Response(200, json={})]
    assert [service("ready") for _ in range(3)] == [False, False, True]


def test_ready_does_not_hide_what_will_never_be(service: Service) -> None:
    service.answers = [problem(404, "not_found"), httpx.UnsupportedProtocol("ftp")]
    with pytest.raises(ProblemError):
        service("ready")
    with pytest.raises(httpx.UnsupportedProtocol):
        service("ready")


def test_a_job_is_asked_for_and_cancelled_by_its_id(service: Service) -> None:
    service.answers = [httpx.Response(200, json=job()), httpx.Response(200, json=job("cancelled"))]
    assert service("job", ID).clips.done == 1
    assert service("cancel", ID).state is State.CANCELLED
    assert [(request.method, request.url.path) for request in service.requests] == [
        ("GET", f"/jobs/{ID}"),
        ("DELETE", f"/jobs/{ID}"),
    ]


def test_a_job_says_more_to_a_newer_client() -> None:
    found = Job.model_validate(job(priority="low"))
    assert found.state.open
    assert found.created_at.utcoffset() is not None


@pytest.mark.parametrize(
    ("method", "values"),
    [("certify", (b"",)), ("models", ()), ("job", (ID,)), ("cancel", (ID,)), ("results", (ID,)), ("events", (ID,))],
)
def test_a_refusal_is_an_exception_with_its_code(service: Service, method: str, values: tuple[Any, ...]) -> None:
    body = {"code": "some_code", "detail": "It is so.", "hint": "Do otherwise."}
    service.answers = [httpx.Response(409, json=body, headers={"Retry-After": "7"})]
    with pytest.raises(ProblemError, match=r"It is so\. Do otherwise\.") as caught:
        service(method, *values)
    error = caught.value
    assert (error.status, error.code, error.retry_after_s) == (409, "some_code", 7.0)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"code": 1}'])
def test_what_a_proxy_answers_is_an_http_error(service: Service, body: bytes) -> None:
    service.answers = [httpx.Response(403, content=body)]
    with pytest.raises(ProblemError) as caught:
        service("models")
    assert caught.value.code == "http_error"


def test_an_answer_that_makes_no_sense_is_a_validation_error(service: Service) -> None:
    service.answers = [httpx.Response(200, json={"hello": 1})]
    with pytest.raises(ValidationError):
        service("certify", tone())


def test_a_file_that_is_not_there_is_an_os_error_and_nothing_is_sent(service: Service, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        service("certify", tmp_path / "none.wav")
    with pytest.raises(FileNotFoundError):
        service("submit", [tmp_path / "none.wav"])
    assert service.requests == []
