"""The forms of all routes: their parts and their fields.

The first byte says whose form it is, the second in which pieces it arrives, the first line is the Content-Type; the
rest is the body.
"""

from collections.abc import Callable
from contextlib import closing
from typing import Any
from unittest.mock import patch

from fastapi import Request
from pydantic import BaseModel
from starlette.types import Message
from tests.fuzz.intake import LIMITS, outcome, run

from soundproof.api.fields import CertifyFields
from soundproof.api.form import read_form
from soundproof.api.jobs.clips import new_job
from soundproof.api.jobs.form import read_job_form
from soundproof.api.jobs.spool import Spool
from soundproof.api.sweep_fields import SweepFields
from soundproof.api.verify_fields import CERTIFICATE, VerifyFields

WORDS = (
    b"--boundary",
    b"--boundary--",
    b"Content-Disposition: form-data; name=",
    b"; filename=",
    b"; filename*=utf-8''",
    *(b"multipart/form-data; boundary=", b"; charset=", b"Content-Type: ", b"\r\n\r\n", b'\\"', b"%00", b"Infinity"),
    *(name.encode() for kind in (CertifyFields, SweepFields, VerifyFields) for name in kind.model_fields),
    *(b"audio", b"archive", b"manifest"),
)
FORMS: tuple[type[BaseModel] | None, ...] = (CertifyFields, SweepFields, VerifyFields, None)


def check(data: bytes) -> None:
    """Any body under any Content-Type is a form of its route or refused in words; which of the two does not depend on
    the pieces in which it arrives. (In which words does: the parser names the first fault of a piece.)"""
    if len(data) < 2:
        return
    kind, size = FORMS[data[0] % len(FORMS)], 1 + data[1] % 64
    content_type, _, body = data[2:].partition(b"\n")
    with patch("starlette.datastructures.run_in_threadpool", _here):
        whole = outcome(lambda: run(_read(kind, content_type, body, len(body) or 1)))
        in_pieces = outcome(lambda: run(_read(kind, content_type, body, size)))
    assert _status(whole) == _status(in_pieces), f"whole: {whole!r}, in pieces: {in_pieces!r}"


async def _here(function: Callable[..., Any], *given: Any) -> Any:
    """At once, where the service writes a job's files in a thread."""
    return function(*given)


def _status(found: Any) -> Any:
    return found[:3] if isinstance(found, str) else found


async def _read(kind: type[BaseModel] | None, content_type: bytes, body: bytes, size: int) -> Any:
    """All that a form says, as a value that can be compared."""
    request = _request(content_type, body, size)
    if kind is None:
        with closing(Spool()) as spool:
            async with read_job_form(request, spool, LIMITS.clips) as form:
                job = new_job(form, spool, LIMITS, None)
                assert 1 <= len(job.clips) <= LIMITS.clips
                return job.fields, [(clip.name, clip.audio_sha256, clip.label, clip.overrides) for clip in job.clips]
    document = CERTIFICATE if kind is VerifyFields else None
    async with read_form(request, kind, LIMITS.samples, document) as form:
        fields = form.fields
        if isinstance(fields, SweepFields):
            assert 1 <= len(fields.each()) <= 16
        return fields, form.audio.file.read()


def _request(content_type: bytes, body: bytes, size: int) -> Request:
    """A request whose body arrives in pieces of that many bytes."""
    starts = iter(range(0, len(body), size))

    async def receive() -> Message:
        start = next(starts, len(body))
        return {"type": "http.request", "body": body[start : start + size], "more_body": start + size < len(body)}

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", content_type.strip())]}
    return Request(scope, receive)
