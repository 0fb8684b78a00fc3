"""Headers that every answer has: of each route, of errors, streams and files, and of what no route answers."""

import re
from collections.abc import Mapping

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from tests.api.attack import GOOD, connection, head, upload
from tests.api.jobs.asking import submit
from tests.conftest import Service

from soundproof.api import problems
from soundproof.api.access.addresses import ADDRESSES, Address
from soundproof.api.headers import ALWAYS, NOTHING, SecurityHeaders

# What a route says itself: what its page loads, and that files may be kept.
PAGE, FILES = "/docs", "/static-offline-docs/{path:path}"


def hold(headers: Mapping[str, str], path: str = "") -> None:
    """Every answer's headers, once each."""
    told = {name.lower(): value for name, value in headers.items()}
    for name, value in ALWAYS.items():
        if name == "Content-Security-Policy" and path == PAGE:
            assert "'unsafe-inline'" not in re.search(r"script-src[^;]*", told[name.lower()])[0]  # type: ignore[index]
        elif name == "Cache-Control" and path == FILES:
            assert told[name.lower()] == "no-cache"
        else:
            assert told[name.lower()] == value, name
    assert "server" not in told


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda address: f"{address.method} {address.path}")
def test_every_route_has_them(service: Service, address: Address) -> None:
    """tests/api/access/test_door.py holds the table of addresses to the routes that there are."""
    path = address.path
    known = {"{path:path}": "swagger-ui.css", "{name}": "a-tiny"}
    for template, value in known.items():
        path = path.replace(template, value)
    with service.client() as client:
        answer = client.request(address.method, re.sub(r"\{\w+\}", "nobodys", path))
    hold(answer.headers, address.path)
    assert answer.is_success == (address.method == "GET" and "_id}" not in address.path)


def test_what_is_answered_to_what_was_asked_well_has_them(service: Service) -> None:
    hold(upload(service, GOOD).raise_for_status().headers)
    with service.client() as client:
        job = submit(client)["id"]
        for path in ("", "/results"):
            hold(client.get(f"/jobs/{job}{path}").raise_for_status().headers)


def test_streams_have_them(service: Service) -> None:
    answer = upload(service, GOOD, progress=True).raise_for_status()
    assert answer.headers["content-type"].startswith("text/event-stream")
    hold(answer.headers)
    with service.client() as client:
        job = submit(client)["id"]
        with client.stream("GET", f"/jobs/{job}/events") as stream:
            hold(stream.headers)


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("PUT", "/certify"), ("TRACE", "/")])
def test_errors_of_no_route_have_them(service: Service, method: str, path: str) -> None:
    with service.client() as client:
        answer = client.request(method, path)
    assert answer.is_client_error
    hold(answer.headers)


@pytest.mark.parametrize("nonsense", [b"\x16\x03\x01 no HTTP\r\n\r\n", b"GET / HTTP/1.1\r\nbad header\r\n\r\n"])
def test_what_is_no_http_is_answered_with_them(service: Service, nonsense: bytes) -> None:
    with connection(service) as opened:
        opened.send(nonsense)
        answer = opened.answer()
    assert answer.status_code == 400
    hold(answer.headers)


def test_an_answer_before_the_body_is_there_has_them(service: Service) -> None:
    with connection(service) as opened:
        opened.send(head(Content_Length=1 << 30))
        answer = opened.answer()
    assert answer.status_code == 413
    hold(answer.headers)


async def test_a_fault_of_ours_is_answered_with_them() -> None:
    app = FastAPI()
    problems.install(app)
    app.add_middleware(SecurityHeaders)

    @app.get("/")
    async def fail() -> None:
        raise RuntimeError

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        answer = await client.get("/")
    assert answer.status_code == 500
    hold(answer.headers)


async def test_what_a_route_says_itself_stands() -> None:
    own = {"Cache-Control": "max-age=60", "Content-Security-Policy": "default-src 'self'"}
    transport = httpx.ASGITransport(SecurityHeaders(PlainTextResponse("x", headers=own)))
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        answer = await client.get("/")
    assert {name: answer.headers[name] for name in own} == own
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_answer_of_the_api_loads_nothing(service: Service) -> None:
    assert NOTHING.startswith("default-src 'none';")
    with service.client() as client:
        assert client.get("/models").headers["content-security-policy"] == NOTHING


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "POST"])
def test_no_other_origin_is_let_in(service: Service, method: str) -> None:
    """No answer to a page of another origin lets it read, nor to a preflight lets it ask."""
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    with service.client() as client:
        for path in ("/certify", "/jobs", "/models", "/docs", "/openapi.json", "/nowhere"):
            answer = client.request(method, path, headers=asked)
            assert not [name for name in answer.headers if name.startswith("access-control-")]
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
