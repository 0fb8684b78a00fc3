"""POST /jobs as far as the store: a job as it is handed over, or the problem that is answered."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from fastapi import FastAPI, Request
from tests.api.attack import MULTIPART, form, part

from soundproof.api import problems
from soundproof.api.jobs.intake import JobLimits, read_job
from soundproof.store.submission import NewJob

LIMITS = JobLimits(clips=20, clip_bytes=1000, expanded_bytes=2_000_000, expansion_ratio=10, samples=50_000)
# Small enough that no test packs, sends or unpacks for long.
CLIP = b"RIFF" + bytes(range(256)) * 2


@dataclass(frozen=True)
class HandedIn:
    """`audio`: the clips' content, read while it was there; None for those that have failed already."""

    job: NewJob
    audio: list[bytes | None]

    @property
    def names(self) -> list[str]:
        return [clip.name for clip in self.job.clips]


async def answer(
    body: bytes, limits: JobLimits = LIMITS, headers: Mapping[str, str] | None = None
) -> tuple[httpx.Response, list[HandedIn]]:
    """The answer, and what was handed to the store. An error that is no problem of ours is raised."""
    app = FastAPI()
    problems.install(app)
    taken: list[HandedIn] = []

    @app.post("/jobs", status_code=202)
    async def submit(request: Request) -> None:
        async with read_job(request, limits) as job:
            taken.append(HandedIn(job, [None if clip.problem else clip.audio() for clip in job.clips]))

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        sent = {"Content-Type": MULTIPART} | dict(headers or {})
        return await client.post("/jobs", content=body, headers=sent), taken


async def hand_in(*parts: bytes, limits: JobLimits = LIMITS, headers: Mapping[str, str] | None = None) -> HandedIn:
    """The job of a form, which must be a good one."""
    answered, [taken] = await answer(form(*parts), limits, headers)
    assert answered.status_code == 202, answered.text
    for clip, audio in zip(taken.job.clips, taken.audio, strict=True):
        assert audio is None or clip.audio_sha256 == hashlib.sha256(audio).hexdigest()
    return taken


async def refusal(
    *parts: bytes,
    limits: JobLimits = LIMITS,
    headers: Mapping[str, str] | None = None,
    status: int = 422,
    code: str = "invalid_request",
) -> str:
    """Why a form is refused as a whole; nothing of it was handed over."""
    answered, taken = await answer(form(*parts), limits, headers)
    problem = answered.json()
    assert (answered.status_code, problem["code"]) == (status, code), problem
    assert not taken
    detail: str = problem["detail"]
    return detail


def audio(name: str, content: bytes = CLIP) -> bytes:
    return part("audio", content, name)


def archive(content: bytes) -> bytes:
    """Its name tells nothing of what it is."""
    return part("archive", content, "clips.bin")
