"""Jobs and their results as the service answers them, and both clients behind one call."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
from tests.client.made import certificate, sound_of

from soundproof.client import AsyncClient, Client, Patience

ID = "job_0123"
PROBLEM = {
    "type": "urn:soundproof:problem:malformed_wav",
    "title": "Malformed WAV file",
    "status": 422,
    "detail": "The data end early.",
    "code": "malformed_wav",
    "hint": "Write it again.",
}


def job(state: str = "running", **more: Any) -> dict[str, Any]:
    """Of three clips; one of them is settled where the job is open."""
    ended = state not in ("queued", "running")
    counts = {"total": 3, "queued": 0, "running": 0, "done": 0, "failed": 0, "cancelled": 0}
    counts |= {state: 3} if state != "running" else {"running": 2, "done": 1}
    return {
        "id": ID,
        "state": state,
        "created_at": "2026-11-22T20:37:37.515000Z",
        "started_at": None if state == "queued" else "2026-11-22T20:37:38Z",
        "finished_at": "2026-11-22T20:38:00Z" if ended else None,
        "clips": counts,
        "samples": {"planned": 30_300, "done": 30_300 if ended else 10_100},
        "eta_s": 0.0 if ended else 12.5,
        "expected_end": None,
        "fields": {"n": 10_000},
    } | more


def result(position: int, state: str = "done", name: str | None = None) -> dict[str, Any]:
    """What became of a clip."""
    clip = name or f"yes/{position}.wav"
    found = {"position": position, "clip": clip, "label": "yes", "audio_sha256": sound_of(clip), "state": state}
    if state == "done":
        found["certificate"] = certificate(sound=sound_of(clip))
    if state == "failed":
        found["problem"] = PROBLEM
    return found


def line(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


def event(name: str, document: dict[str, Any], id_: int | None = None) -> bytes:
    ending = "" if id_ is None else f"id: {id_}\n"
    return f"event: {name}\ndata: {json.dumps(document, ensure_ascii=False)}\n{ending}\n".encode()


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    body = {"code": code, "detail": "No.", "hint": ""}
    return httpx.Response(status, json=body, headers={name.replace("_", "-"): text for name, text in headers.items()})


class Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of an answer whose connection is lost."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        raise httpx.RemoteProtocolError("peer closed connection")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


@dataclass
class Service:
    """A service that gives these answers, one after another, to a client of that kind. Waits are noted, not made."""

    kind: Literal["sync", "async"]
    answers: list[Answer] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    patience_s: float = 60.0
    transport: type[httpx.MockTransport] = httpx.MockTransport

    def __call__(self, method: str, *values: Any, **fields: Any) -> Any:
        """What the client's method of that name returns; of an iterator all that it gives, as a list."""
        return self.sync(method, values, fields) if self.kind == "sync" else self.awaited(method, values, fields)

    def sync(self, method: str, values: tuple[Any, ...], fields: dict[str, Any]) -> Any:
        with Client("http://fake", self.transport(self.answer), patience=self._patience()) as client:
            found = getattr(client, method)(*values, **fields)
            return list(found) if isinstance(found, Iterator) else found

    def awaited(self, method: str, values: tuple[Any, ...], fields: dict[str, Any]) -> Any:
        async def called() -> Any:
            async with AsyncClient("http://fake", self.transport(self.answer), patience=self._patience()) as client:
                found = getattr(client, method)(*values, **fields)
                return [item async for item in found] if isinstance(found, AsyncIterator) else await found

        return asyncio.run(called())

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        next_one = self.answers.pop(0)
        if isinstance(next_one, Exception):
            raise next_one
        return next_one if isinstance(next_one, httpx.Response) else next_one(request)

    def _patience(self) -> Patience:
        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)

        return Patience(total_s=self.patience_s, sleep=sleep, sleep_sync=self.waits.append, chance=lambda: 0.5)
