"""Waiting for a job, its events and its results: through restarts, lost connections and odd text."""

from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from tests.client.made_jobs import ID, PROBLEM, Broken, Service, event, job, line, problem, result

from soundproof.client import PatienceOver, ProblemError
from soundproof.client.job_events import Ended, Progressed, Settled
from soundproof.job import Job, JobResult, State

ODD = "yes/\u2028\x85 \x0b\u2029ü.wav"  # line ends to Python, none to JSON lines or events


@pytest.fixture(params=["sync", "async"])
def service(request: pytest.FixtureRequest) -> Service:
    return Service(request.param)


def good(document: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, json=document)


def streamed(*pieces: bytes) -> httpx.Response:
    return httpx.Response(200, content=b"".join(pieces))


def broken(*pieces: bytes) -> httpx.Response:
    return httpx.Response(200, stream=Broken(*pieces))


def test_wait_shows_every_look_and_returns_the_ended_job(service: Service) -> None:
    service.answers = [good(job("queued")), good(job("running")), good(job("failed"))]
    seen: list[Job] = []
    ended = service("wait", ID, seen.append, poll_s=3.0)
    assert [shown.state for shown in seen] == ["queued", "running", "failed"]
    assert ended == seen[-1]
    assert service.waits == [3.0, 3.0]


def test_wait_lives_through_a_restart_of_the_service(service: Service) -> None:
    service.answers = [
        good(job("running")),
        httpx.RemoteProtocolError("the server went away"),
        httpx.ConnectError("refused"),
        problem(503, "not_ready", Retry_After="9"),
        good(job("running")),
        httpx.ReadTimeout("silence"),
        good(job("done")),
    ]
    assert service("wait", ID, poll_s=1.0).state is State.DONE
    assert service.waits == [1.0, 0.5 * 1.25, 1 * 1.25, 9 + 0.5, 1.0, 0.5 * 1.25]


def test_wait_ends_with_the_patience(service: Service) -> None:
    service.answers = [httpx.ConnectError("refused")] * 20
    with pytest.raises(PatienceOver, match=r"ConnectError: refused.*Given up after 3[0-9] s"):
        service("wait", ID)
    assert sum(service.waits) <= service.patience_s


@pytest.mark.parametrize(("status", "code"), [(404, "unknown_job"), (503, "store_refused"), (500, "internal_error")])
def test_wait_does_not_wait_for_what_does_not_pass(service: Service, status: int, code: str) -> None:
    service.answers = [problem(status, code)]
    with pytest.raises(ProblemError, match="No"):
        service("wait", ID)
    assert service.waits == []


def test_results_are_typed_and_in_order(service: Service) -> None:
    documents = [result(0), result(1, "failed"), result(3, "cancelled"), result(4, name=ODD)]
    service.answers = [streamed(*map(line, documents))]
    found = service("results", ID)
    assert [(item.position, item.state) for item in found] == [
        (0, "done"),
        (1, "failed"),
        (3, "cancelled"),
        (4, "done"),
    ]
    assert found[0].certificate.outcome == "certified"
    assert found[1].problem == PROBLEM
    assert found[2] == JobResult.model_validate(documents[2])
    assert found[3].clip == ODD


def test_results_that_break_off_go_on_behind_the_last(service: Service) -> None:
    lines = [line(result(i)) for i in range(4)]
    service.answers = [
        broken(lines[0], lines[1], lines[2][:50]),
        httpx.ConnectError("refused"),
        streamed(*lines[:3], lines[3][:70]),  # ends within a line, by a proxy perhaps
        streamed(*lines),
    ]
    assert [item.position for item in service("results", ID)] == [0, 1, 2, 3]
    assert len(service.waits) == 3


def test_results_of_a_job_with_none_yet_are_none(service: Service) -> None:
    service.answers = [streamed()]
    assert service("results", ID) == []


def test_a_line_that_is_no_result_is_told(service: Service) -> None:
    service.answers = [streamed(line(result(0)), b"nonsense\n")]
    with pytest.raises(ValidationError):
        service("results", ID)


def test_events_are_typed_until_the_end(service: Service) -> None:
    service.answers = [
        streamed(
            b": still at it\n\n",
            event("progress", job("running")),
            event("clip", result(0), 0),
            event("weather", {"rain": True}),
            event("clip", result(1, "failed", ODD), 1),
            event("end", job("done")),
            event("progress", job("running")),
        )
    ]
    progressed, first, second, ended = service("events", ID)
    assert progressed == Progressed(Job.model_validate(job("running")))
    assert first == Settled(JobResult.model_validate(result(0)))
    assert (second.result.clip, second.result.state) == (ODD, "failed")
    assert ended == Ended(Job.model_validate(job("done")))
    [request] = service.requests
    assert request.url.path == f"/jobs/{ID}/events"
    assert "last-event-id" not in request.headers


def test_events_go_on_where_the_connection_was_lost(service: Service) -> None:
    clips = [event("clip", result(i), i) for i in range(4)]
    service.answers = [
        broken(clips[0], clips[1], clips[2][:40]),
        problem(503, "engine_stopped"),
        streamed(clips[2]),  # ends without `end`: the service was stopped
        streamed(event("progress", job()), clips[3], event("end", job("done"))),
    ]
    found = service("events", ID)
    assert [item.result.position for item in found if isinstance(item, Settled)] == [0, 1, 2, 3]
    asked = [request.headers.get("last-event-id") for request in service.requests]
    assert asked == [None, "1", "1", "2"]
    assert service.waits == [0.5 * 1.25, 1 * 1.25, 0.5 * 1.25]  # from the beginning after every event


def test_events_begin_behind_the_position_that_is_told(service: Service) -> None:
    service.answers = [httpx.ConnectError("refused"), streamed(event("end", job("done")))]
    service("events", ID, 0)
    assert [request.headers["last-event-id"] for request in service.requests] == ["0", "0"]


def test_events_end_with_the_patience(service: Service) -> None:
    service.answers = [streamed() for _ in range(20)]
    with pytest.raises(PatienceOver, match="the events end before the job"):
        service("events", ID)


def test_a_problem_within_the_events_is_raised_or_waited_out(service: Service) -> None:
    passing = {"status": 503, "code": "store_unavailable", "detail": "It is locked.", "hint": ""}
    lasting = {"status": 404, "code": "unknown_job", "detail": "It was deleted.", "hint": ""}
    service.answers = [streamed(event("problem", passing)), streamed(event("problem", lasting))]
    with pytest.raises(ProblemError, match="It was deleted"):
        service("events", ID)
    assert len(service.waits) == 1
