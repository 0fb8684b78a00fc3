"""Every error's way to HTTP: the table, the framework's own errors, and what nobody expected."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from tests.api.attack import AUDIO, GOOD, MULTIPART, Answer, connection, form, head, problem, wait_for
from tests.conftest import Service

from soundproof import errors
from soundproof.api import problems
from soundproof.api.metrics import Metrics
from soundproof.api.observe import Observe
from soundproof.errors import QueueFull, SoundproofError


def leaves(root: type[SoundproofError]) -> Iterator[type[SoundproofError]]:
    below = root.__subclasses__()
    if not below:
        yield root
    for each in below:
        yield from leaves(each)


LEAVES = list(leaves(SoundproofError))


def test_every_leaf_of_the_tree_and_nothing_else_has_a_status() -> None:
    assert set(problems.TABLE) == set(LEAVES)


def test_every_leaf_has_a_code_of_its_own() -> None:
    codes = [leaf.code for leaf in LEAVES]
    assert len(set(codes)) == len(codes)
    assert SoundproofError.code not in codes
    # Two ways to say the same: a fault of ours, in this process or in a worker.
    assert {code for code, _, _ in problems.FRAMEWORK.values()} & set(codes) == set()
    assert errors.WorkerFault.code == "internal_error"


@asynccontextmanager
async def raising(error: Exception, metrics: Metrics | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that answers GET / with this error."""
    app = FastAPI()
    problems.install(app)
    app.add_middleware(Observe, metrics=metrics or Metrics())

    @app.get("/")
    async def fail() -> None:
        raise error

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        yield client


@pytest.mark.parametrize("leaf", LEAVES)
async def test_every_leaf_is_answered_with_its_status_code_detail_and_hint(leaf: type[SoundproofError]) -> None:
    status, title = problems.TABLE[leaf]
    async with raising(leaf("This is wrong.", "Do it right.")) as client:
        answered = problem(await client.get("/"), status, leaf.code)
    kept = problems.problem_document(leaf("This is wrong.", "Do it right."))
    assert answered == kept | {"request_id": answered["request_id"]}
    assert (answered["detail"], answered["hint"], answered["title"]) == ("This is wrong.", "Do it right.", title)
    assert "errors" not in answered


async def test_a_full_queue_says_when_to_come_back() -> None:
    async with raising(QueueFull("Full.", "Later.", 17)) as client:
        answer = await client.get("/")
    problem(answer, 429, "queue_full")
    assert answer.headers["retry-after"] == "17"


@pytest.mark.parametrize(
    ("error", "name", "value"),
    [
        (errors.BudgetExhausted("Spent.", "Later.", 17), "retry-after", "17"),
        (errors.Unauthenticated("Who?"), "www-authenticate", "Bearer"),
        (errors.Forbidden("No.", "", "read"), "www-authenticate", 'Bearer error="insufficient_scope", scope="read"'),
    ],
)
async def test_what_is_refused_says_what_it_takes(error: SoundproofError, name: str, value: str) -> None:
    async with raising(error) as client:
        answer = await client.get("/")
    problem(answer, problems.TABLE[type(error)][0], error.code)
    assert answer.headers[name] == value


@pytest.mark.parametrize("status", [*problems.FRAMEWORK, 418])
async def test_every_error_of_the_framework_is_a_problem(status: int) -> None:
    code = problems.FRAMEWORK[status][0] if status in problems.FRAMEWORK else "http_error"
    async with raising(HTTPException(status, "Because.", {"Retry-After": "3"})) as client:
        answer = await client.get("/")
    assert problem(answer, status, code)["detail"] == "Because."
    assert answer.headers["retry-after"] == "3"


@pytest.mark.parametrize("error", [RuntimeError("the secret"), KeyError("the secret"), AssertionError("the secret")])
async def test_what_nobody_expected_is_a_problem_that_tells_nothing_but_is_logged(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics()
    with caplog.at_level(logging.ERROR, "soundproof.api"):
        async with raising(error, metrics) as client:
            answer = await client.get("/")
    answered = problem(answer, 500, "internal_error")
    assert "secret" not in answer.text
    assert type(error).__name__ not in answer.text
    [record] = caplog.records
    assert answered["request_id"] in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    labels = {"route": "/", "method": "GET", "status": "500"}
    assert metrics.registry.get_sample_value("soundproof_http_requests_total", labels) == 1
    assert metrics.registry.get_sample_value("soundproof_problems_total", {"code": "internal_error"}) == 1


REQUESTS: dict[int, dict[str, Any]] = {
    400: {"content": form(AUDIO)[:-20], "headers": {"Content-Type": MULTIPART}},
    404: {"url": "/nowhere"},
    405: {"method": "GET"},
    413: {"files": {"audio": GOOD * 20_000}},
    415: {"json": {}},
    422: {"files": {"audio": GOOD}, "data": {"sigma": "nan"}},
}


def over_http(service: Service, status: int) -> httpx.Response | Answer:
    """An answer of the running service with one of the framework's errors."""
    if status == 408:
        with connection(service) as opened:
            opened.send(head(Content_Length=100))
            return opened.answer()
    with service.client() as client:
        return client.request(**{"method": "POST", "url": "/certify"} | REQUESTS[status])


@pytest.mark.parametrize("status", [408, *REQUESTS])
def test_every_error_of_the_framework_is_a_problem_over_http(service: Service, status: int) -> None:
    answered = problem(over_http(service, status), status, problems.FRAMEWORK[status][0])
    assert ("errors" in answered) == (status == 422)
    assert wait_for(lambda: answered["request_id"] in service.log.read_text())


def test_every_error_of_the_framework_is_tried_over_http_but_that_of_a_service_without_workers() -> None:
    assert {408, 503, *REQUESTS} == problems.FRAMEWORK.keys()


def test_no_two_requests_share_an_id(service: Service) -> None:
    with service.client() as client:
        ids = {client.get("/livez").headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20
