"""Bodies held to a limit, by path: the service's own is met by tests/api/test_hostile_connections.py."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import httpx
import pytest
from fastapi import FastAPI, Request

from soundproof.api import limits, problems
from soundproof.api.limits import BodyLimit, BodyLimits


def reading(limit: BodyLimit, larger: Mapping[str, BodyLimit]) -> FastAPI:
    """An application that answers every POST with the size of its body."""
    app = FastAPI()
    problems.install(app)
    app.add_middleware(BodyLimits, limit=limit, larger=larger)

    @app.post("/{rest:path}")
    async def read(request: Request) -> int:
        return len(await request.body())

    return app


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/", 10, 200),
        ("/", 11, 413),
        ("/jobs", 11, 200),
        ("/jobs", 100, 200),
        ("/jobs", 101, 413),
        ("/jobs/", 11, 413),
        ("/jobs/x", 11, 413),
    ],
)
@pytest.mark.parametrize("announced", [True, False])
async def test_only_the_very_path_has_the_larger_limit(path: str, size: int, status: int, announced: bool) -> None:
    limit, larger = BodyLimit(10, 60.0), {"/jobs": BodyLimit(100, 60.0)}
    app = reading(limit, larger)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(size):
            yield b"x"

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post(path, content=bytes(size) if announced else pieces())
    assert answer.status_code == status
    if status == 413:
        most = larger.get(path, limit).most_bytes
        assert answer.json()["detail"] == f"The body is larger than {most} bytes."


async def test_only_the_very_path_has_the_later_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINGER_S", 0.0)
    app = reading(BodyLimit(10, 0.0), {"/jobs": BodyLimit(10, 60.0)})

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10):
            await asyncio.sleep(0)  # a body that is not there at once
            yield b"x"

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        late = await client.post("/", content=pieces())
        assert (late.status_code, late.json()["code"]) == (408, "request_timeout")
        assert (await client.post("/jobs", content=pieces())).json() == 10
