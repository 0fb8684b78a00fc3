"""An httpx client of the service: certificates as typed objects, errors as exceptions."""

import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import TypeAdapter

from soundproof.certificate import AbstainedCertificate, Certificate, CertifiedCertificate
from soundproof.sweep import Sweep
from soundproof.verify.report import Report

# Long enough for a full queue in front; the service itself ends what takes too long.
ANSWER_TIMEOUT_S = 600.0
_CERTIFICATE: TypeAdapter[CertifiedCertificate | AbstainedCertificate] = TypeAdapter(Certificate)


class ProblemError(Exception):
    """The service refused or failed: `status` and `code` are stable, `detail` and `hint` are for people.

    `retry_after_s`: after how many seconds the service asked to be tried again; None where it did not.
    """

    def __init__(
        self, status: int, code: str, detail: str, hint: str = "", *, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{detail} {hint}".strip())
        self.status = status
        self.code = code
        self.detail = detail
        self.hint = hint
        self.retry_after_s = retry_after_s


class Client:
    """`async with Client("http://127.0.0.1:8000") as client: await client.certify("yes.wav", sigma=0.02)`."""

    def __init__(self, url: str = "http://127.0.0.1:8000", transport: httpx.AsyncBaseTransport | None = None) -> None:
        timeout = httpx.Timeout(ANSWER_TIMEOUT_S, connect=10.0)
        self._http = httpx.AsyncClient(base_url=url, transport=transport, timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def certify(self, clip: Path | str | bytes, **fields: Any) -> CertifiedCertificate | AbstainedCertificate:
        """The certificate of a WAV file (a path, or its bytes). `fields` as in POST /certify; None is left out.

        Raises ProblemError, OSError for the file, httpx.HTTPError for the connection.
        """
        response = await self._post("/certify", clip, fields)
        return _CERTIFICATE.validate_json(_checked(response).content)

    async def sweep(self, clip: Path | str | bytes, settings: str, **fields: Any) -> Sweep:
        """Several certificates of a WAV file (a path, or its bytes); raises as `certify` does."""
        response = await self._post("/certify/sweep", clip, fields | {"settings": settings})
        return Sweep.model_validate_json(_checked(response).content)

    async def verify(self, certificate: Path | str | bytes, clip: Path | str | bytes, **fields: Any) -> Report:
        """The report on a certificate, as a file or its bytes, of a WAV file; raises as `certify` does."""
        files = {"certificate": ("certificate.json", _bytes(certificate), "application/json")}
        response = await self._post("/verify", clip, fields, files)
        return Report.model_validate_json(_checked(response).content)

    async def _post(
        self,
        address: str,
        clip: Path | str | bytes,
        fields: dict[str, Any],
        files: dict[str, tuple[str, bytes, str]] | None = None,
    ) -> httpx.Response:
        audio = {"audio": ("clip.wav", _bytes(clip), "audio/wav")}
        texts = {name: str(value) for name, value in fields.items() if value is not None}
        return await self._http.post(address, data=texts, files=audio | (files or {}))

    async def models(self) -> dict[str, Any]:
        """GET /models."""
        models: dict[str, Any] = _checked(await self._http.get("/models")).json()
        return models


def _bytes(file: Path | str | bytes) -> bytes:
    return file if isinstance(file, bytes) else Path(file).read_bytes()


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    try:
        body = response.json()
        told = (body["code"], body["detail"], body["hint"])
    except (ValueError, KeyError, TypeError):
        told = ("http_error", f"The answer was {response.status_code}, not from this service?", "")
    raise ProblemError(response.status_code, *told, retry_after_s=_retry_after_s(response))


def _retry_after_s(response: httpx.Response) -> float | None:
    """Retry-After in seconds from now, given as such or as a date (RFC 9110, section 10.2.3)."""
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
