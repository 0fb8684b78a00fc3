"""Every call as the request that it is and the reading of its answer, whoever sends it and however it waits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter

from soundproof.certificate import AbstainedCertificate, Certificate, CertifiedCertificate
from soundproof.client.answer import Answer
from soundproof.client.manifest import Manifest
from soundproof.client.problem import checked
from soundproof.client.upload import Clips, Part, parts
from soundproof.job import Job
from soundproof.sweep import Sweep
from soundproof.verify.report import Report

# A file, or its bytes.
File = Path | str | bytes
Fields = Mapping[str, Any]
Result = TypeVar("Result")

URL = "http://127.0.0.1:8000"
# Long enough for a full queue in front; the service itself ends what takes too long.
TIMEOUT = httpx.Timeout(600.0, connect=10.0)
# What is answered from memory.
QUICK = httpx.Timeout(60.0, connect=10.0)
_CERTIFICATE: TypeAdapter[CertifiedCertificate | AbstainedCertificate] = TypeAdapter(Certificate)
_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


@dataclass(frozen=True)
class Call(Generic[Result]):
    """`read`: what a successful answer means. Without `files` nothing is sent but the address and the headers."""

    method: str
    address: str
    read: Callable[[httpx.Response], Result]
    fields: Fields = field(default_factory=dict)
    files: list[Part] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)

    def request(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """`http` knows the address of the service."""
        if not self.files:
            return http.build_request(self.method, self.address, headers=self.headers, timeout=QUICK)
        texts = {name: _text(value) for name, value in self.fields.items() if value is not None}
        return http.build_request(self.method, self.address, data=texts, files=self.files, headers=self.headers)

    def result(self, response: httpx.Response) -> Result:
        """Raises ProblemError for an answer that is no success, pydantic's ValidationError for one that makes no
        sense."""
        return self.read(checked(response))


def certify(clip: File, fields: Fields) -> Call[Answer]:
    return Call("POST", "/certify", _answer, fields, [_audio(clip)])


def sweep(clip: File, settings: str, fields: Fields) -> Call[Sweep]:
    return Call("POST", "/certify/sweep", _sweep, {**fields, "settings": settings}, [_audio(clip)])


def verify(certificate: File, clip: File, fields: Fields) -> Call[Report]:
    document: Part = ("certificate", ("certificate.json", _bytes(certificate), "application/json"))
    return Call("POST", "/verify", _report, fields, [_audio(clip), document])


def certificate(certificate_id: str) -> Call[Answer]:
    return Call("GET", f"/certificates/{_quoted(certificate_id)}", _kept)


def models() -> Call[dict[str, Any]]:
    return Call("GET", "/models", _json)


def ready() -> Call[bool]:
    return Call("GET", "/readyz", lambda _response: True)


def submit(clips: Clips, manifest: Manifest | None, idempotency_key: str | None, fields: Fields) -> Call[Job]:
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    return Call("POST", "/jobs", _job, fields, parts(clips, manifest), headers)


def job(job_id: str) -> Call[Job]:
    return Call("GET", job_address(job_id), _job)


def cancel(job_id: str) -> Call[Job]:
    return Call("DELETE", job_address(job_id), _job)


def job_address(job_id: str) -> str:
    return f"/jobs/{_quoted(job_id)}"


def _answer(response: httpx.Response) -> Answer:
    cached = response.headers.get("cached", "false") == "true"
    return Answer(_CERTIFICATE.validate_json(response.content), response.content, cached)


def _kept(response: httpx.Response) -> Answer:
    return Answer(_CERTIFICATE.validate_json(response.content), response.content, cached=True)


def _sweep(response: httpx.Response) -> Sweep:
    return Sweep.model_validate_json(response.content)


def _report(response: httpx.Response) -> Report:
    return Report.model_validate_json(response.content)


def _job(response: httpx.Response) -> Job:
    return Job.model_validate_json(response.content)


def _json(response: httpx.Response) -> dict[str, Any]:
    return _OBJECT.validate_json(response.content)


def _audio(clip: File) -> Part:
    return "audio", ("clip.wav", _bytes(clip), "audio/wav")


def _bytes(file: File) -> bytes:
    return file if isinstance(file, bytes) else Path(file).read_bytes()


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(name: str) -> str:
    return quote(name, safe="")
