"""The client's key: sent to its service, and to nobody else; shown nowhere."""

import json
import logging
import traceback
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from soundproof.client import AsyncClient, Client, ProblemError
from soundproof.client.api_key import Bearer, api_key_from_environment

KEY = "sp_" + "k" * 43
URL = "http://127.0.0.1:8000"
REFUSAL = {
    "type": "urn:soundproof:problem:unauthenticated",
    "code": "unauthenticated",
    "detail": "The key that was sent is none of this service.",
    "hint": "",
}


class Service:
    """Remembers what came with each request."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self.seen: list[tuple[str, str | None]] = []
        self._answer = answer

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append((str(request.url), request.headers.get("authorization")))
        return self._answer(request)

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self)


def ready(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={})


def refusing(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(401, content=json.dumps(REFUSAL), headers={"Content-Type": "application/problem+json"})


async def test_it_goes_with_every_request_of_both_clients() -> None:
    service = Service(ready)
    with Client(URL, service.transport, api_key=KEY) as client:
        client.models()
    async with AsyncClient(URL, service.transport, api_key=KEY) as client:
        await client.models()
    assert service.seen == [(f"{URL}/models", f"Bearer {KEY}")] * 2


def test_streamed_answers_are_asked_for_with_it_too() -> None:
    service = Service(lambda _request: httpx.Response(200, content=b""))
    with Client(URL, service.transport, api_key=KEY) as client:
        assert list(client.results("job_1")) == []
    assert service.seen == [(f"{URL}/jobs/job_1/results", f"Bearer {KEY}")]


def test_without_one_no_header_is_sent() -> None:
    service = Service(ready)
    with Client(URL, service.transport) as client:
        client.models()
    assert service.seen == [(f"{URL}/models", None)]


@pytest.mark.parametrize("place", ["http://127.0.0.1:9000/x", "https://127.0.0.1:8000/x", "http://elsewhere:8000/x"])
def test_no_other_origin_gets_it_even_where_redirects_are_followed(place: str) -> None:
    """The client follows none; whoever uses its Bearer in an httpx client of their own may."""

    def away(request: httpx.Request) -> httpx.Response:
        return ready(request) if request.url.path == "/x" else httpx.Response(307, headers={"Location": place})

    service = Service(away)
    with httpx.Client(transport=service.transport, auth=Bearer(KEY, URL), follow_redirects=True) as client:
        client.get(f"{URL}/models")
        client.get(place)
    assert service.seen == [(f"{URL}/models", f"Bearer {KEY}"), (place, None), (place, None)]


def test_a_redirect_is_not_followed() -> None:
    service = Service(lambda _request: httpx.Response(307, headers={"Location": "http://elsewhere/models"}))
    with Client(URL, service.transport, api_key=KEY) as client, pytest.raises(ProblemError):
        client.models()
    assert len(service.seen) == 1


def test_it_stands_in_no_repr_no_error_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    service = Service(refusing)
    with caplog.at_level(logging.DEBUG), Client(URL, service.transport, api_key=KEY) as client:
        with pytest.raises(ProblemError) as refused:
            client.models()
        told = [repr(client), repr(vars(client)), repr(Bearer(KEY, URL)), caplog.text]
        told += traceback.format_exception(refused.value)
    assert refused.value.code == "unauthenticated"
    assert KEY not in " ".join(told)


@pytest.mark.parametrize("key", ["", "two words", "line\n", "sp_\xe9", "\x00"])
def test_what_no_header_takes_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ValueError, match="no API key") as refused:
        Client(URL, api_key=key)
    assert not key or key not in str(refused.value)


@pytest.mark.parametrize(("given", "found"), [(KEY, KEY), (f"{KEY}\n", KEY), ("", None), (None, None)])
def test_commands_take_it_from_the_environment(monkeypatch: pytest.MonkeyPatch, given: Any, found: str | None) -> None:
    monkeypatch.delenv("SOUNDPROOF_API_KEY", raising=False)
    if given is not None:
        monkeypatch.setenv("SOUNDPROOF_API_KEY", given)
    assert api_key_from_environment() == found
