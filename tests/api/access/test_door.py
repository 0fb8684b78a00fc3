"""Default deny: every route of the application, held against the table of addresses, and against every wrong key."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.routing import Mount, Route
from starlette.types import Message, Receive, Send
from starlette.types import Scope as AsgiScope
from tests.api.access.keys import Made, made, write

from soundproof.api.access.addresses import ADDRESSES, ANYBODY, address_of
from soundproof.api.access.door import KEY_NAME, Door, purse_of
from soundproof.api.access.keyring import Keyring
from soundproof.api.access.purse import NOBODY
from soundproof.api.app import create_app
from soundproof.api.metrics import Metrics
from soundproof.api_keys import Scope, new_secret
from soundproof.settings import Settings

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
OPEN = {("GET", "/livez"), ("HEAD", "/livez"), ("GET", "/readyz"), ("HEAD", "/readyz")}
# Addresses that no route has, or only nearly.
NOWHERE = (
    "/",
    "/nowhere",
    "/certify/",
    "//certify",
    "/CERTIFY",
    "/jobs/",
    "/jobs/a/b",
    "/livez/",
    "/livez/x",
    "/docs/x",
)


@pytest.fixture(scope="module")
def app(models: Path) -> FastAPI:
    return create_app(Settings(models=models))


@pytest.fixture(scope="module")
def by_scope() -> dict[Scope, Made]:
    return {scope: made(scope.value, scope) for scope in Scope}


@pytest.fixture(scope="module")
def keyring(by_scope: dict[Scope, Made], tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return Keyring(write(tmp_path_factory.mktemp("keys") / "keys.toml", by_scope.values()), Metrics())


class Beyond:
    """What is behind the door, and the request's body before it: told when either is reached."""

    def __init__(self, keyring: Keyring | None) -> None:
        self.reached: AsgiScope | None = None
        self.body_read = False
        self._door = Door(self._app, keyring)

    async def _app(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        self.reached = scope
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask(self, method: str, path: str, *headers: tuple[str, str], kind: str = "http") -> Message:
        """The head of the answer."""
        sent: list[Message] = []

        async def receive() -> Message:
            self.body_read = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        scope = {"type": kind, "method": method, "path": path, "root_path": "", "headers": raw, "query_string": b""}
        await self._door(scope, receive, send)
        return sent[0]


def routes(of: Any) -> Iterator[tuple[str, str]]:
    """Every method and path template that the application answers, however it came by it."""
    for route in of:
        if isinstance(route, Mount):
            yield from ((method, f"{route.path}/{{path:path}}") for method in ("GET", "HEAD"))
        elif isinstance(route, Route):
            yield from ((method, route.path) for method in route.methods or ())
        else:
            yield from included(route)


def included(router: Any) -> Iterator[tuple[str, str]]:
    """Of a router that FastAPI has included: it keeps the prefix beside it."""
    for route in router.original_router.routes:
        yield from ((method, router.include_context.path_for(route)) for method in route.methods)


def example(path: str) -> str:
    """An address of this template."""
    return re.sub(r"\{\w+:path\}", "swagger-ui.css", re.sub(r"\{\w+\}", "some-name", path))


def test_every_route_of_the_application_is_in_the_table_and_the_table_has_no_other(app: FastAPI) -> None:
    found = {(method, path) for method, path in routes(app.router.routes) if method != "HEAD"}
    assert found == {(address.method, address.path) for address in ADDRESSES}
    assert {path for _, path in found} >= app.openapi()["paths"].keys()


def test_an_address_is_found_under_its_own_route(app: FastAPI) -> None:
    """No template of the table stands in the way of another one, which may have another scope."""
    for method, path in routes(app.router.routes):
        address = address_of(method, example(path))
        assert address is not None, path
        assert address.path == path


def test_open_to_anybody_are_these_addresses_and_no_other() -> None:
    assert {(each.method, each.path) for each in ADDRESSES if each.scope is ANYBODY} == {
        ("GET", "/livez"),
        ("GET", "/readyz"),
    }


def asked(app: FastAPI) -> list[tuple[str, str]]:
    """Every address with every method, those that nobody has among them."""
    paths = {example(path) for _, path in routes(app.router.routes)} | set(NOWHERE)
    return [(method, path) for path in sorted(paths) for method in METHODS if (method, path) not in OPEN]


def header(secret: str) -> tuple[str, str]:
    return ("Authorization", f"Bearer {secret}")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [header(new_secret())],
        [header("sp_")],
        [header("")],
        [("Authorization", "Basic c3A6c3A=")],
        [header("sp_" + "\xe9" * 43)],
        [header("x" * 100_000)],
    ],
    ids=["none", "unknown", "short", "empty", "basic", "not-ascii", "long"],
)
async def test_without_a_key_of_ours_every_address_is_401_and_nothing_is_read_or_done(
    app: FastAPI, keyring: Keyring, headers: list[tuple[str, str]]
) -> None:
    for method, path in asked(app):
        beyond = Beyond(keyring)
        answer = await beyond.ask(method, path, *headers)
        assert (answer["status"], beyond.reached, beyond.body_read) == (401, None, False), (method, path)
        assert (b"www-authenticate", b"Bearer") in answer["headers"]


async def test_two_keys_are_none(keyring: Keyring, by_scope: dict[Scope, Made]) -> None:
    both = [header(by_scope[scope].secret) for scope in (Scope.READ, Scope.CERTIFY)]
    assert (await Beyond(keyring).ask("GET", "/models", *both))["status"] == 401


async def test_a_key_in_the_address_or_in_another_header_is_none(keyring: Keyring, by_scope: dict[Scope, Made]) -> None:
    secret = by_scope[Scope.READ].secret
    for name in ("X-API-Key", "Cookie", "Proxy-Authorization"):
        assert (await Beyond(keyring).ask("GET", "/models", (name, f"Bearer {secret}")))["status"] == 401


@pytest.mark.parametrize("scope", Scope)
async def test_a_key_opens_what_its_scope_is_for_and_nothing_else(
    app: FastAPI, keyring: Keyring, by_scope: dict[Scope, Made], scope: Scope
) -> None:
    """By the declarations of the table: a scope includes no other, and what is not declared is closed to all."""
    opened = set()
    for method, path in asked(app):
        beyond = Beyond(keyring)
        answer = await beyond.ask(method, path, header(by_scope[scope].secret))
        address = address_of(method, path)
        if address and address.scope is scope:
            opened.add((method, path))
            assert beyond.reached is not None, (method, path)
            assert beyond.reached[KEY_NAME] == scope.value
        else:
            assert (answer["status"], beyond.reached, beyond.body_read) == (403, None, False), (method, path)
    assert {method for method, _ in opened} <= {"GET", "HEAD", "POST", "DELETE"}
    assert opened


async def test_liveness_and_readiness_are_open_for_looking_only(keyring: Keyring) -> None:
    for method, path in OPEN:
        assert (await Beyond(keyring).ask(method, path))["status"] == 200
    for method in set(METHODS) - {"GET", "HEAD"}:
        assert (await Beyond(keyring).ask(method, "/livez"))["status"] == 401


@pytest.mark.parametrize("path", ["/metrics\n", "/livez\n"])
async def test_an_address_with_a_line_end_is_no_address(
    keyring: Keyring, by_scope: dict[Scope, Made], path: str
) -> None:
    """A pattern's `$` would let it pass as the one without, which a proxy may keep to itself."""
    assert (await Beyond(keyring).ask("GET", path))["status"] == 401
    assert (await Beyond(keyring).ask("GET", path, header(by_scope[Scope.ADMIN].secret)))["status"] == 403
    beyond = Beyond(None)
    await beyond.ask("GET", path)
    assert beyond.reached is not None
    assert address_of("GET", beyond.reached["path"]) is None


async def test_what_is_no_request_is_closed(keyring: Keyring, by_scope: dict[Scope, Made]) -> None:
    beyond = Beyond(keyring)
    answer = await beyond.ask("GET", "/models", header(by_scope[Scope.READ].secret), kind="websocket")
    assert (answer, beyond.reached) == ({"type": "websocket.close", "code": 1008}, None)


@pytest.mark.parametrize("spelling", ["Bearer  {}", "bearer {}", "BEARER {}"])
async def test_the_scheme_is_named_in_any_case(keyring: Keyring, by_scope: dict[Scope, Made], spelling: str) -> None:
    sent = ("Authorization", spelling.format(by_scope[Scope.READ].secret))
    assert (await Beyond(keyring).ask("GET", "/models", sent))["status"] == 200


async def test_without_keys_everybody_is_shown_in_and_nobody_pays() -> None:
    for path in ("/models", "/nowhere"):
        beyond = Beyond(None)
        assert (await beyond.ask("GET", path, header("anything")))["status"] == 200
        assert beyond.reached is not None
        assert KEY_NAME not in beyond.reached
        assert purse_of(Request(beyond.reached)) is NOBODY


def test_a_key_is_compared_with_every_other_in_constant_time(
    keyring: Keyring, by_scope: dict[Scope, Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With hmac.compare_digest, and without an early end: the first key takes as many comparisons as the last."""
    compared: list[str] = []

    def compare(one: str, other: str) -> bool:
        compared.append(one)
        return one == other

    monkeypatch.setattr("soundproof.api.access.keyring.hmac.compare_digest", compare)
    for key in (*by_scope.values(), made("stranger", Scope.READ)):
        compared.clear()
        keyring.holder_of(key.secret)
        assert compared == [each.entry.sha256 for each in by_scope.values()]
