"""What the client raises of its own; the connection's errors are httpx.HTTPError.

ClientError
├── ProblemError    the service refused or failed
└── PatienceOver    it was busy or out of reach for longer than there was patience
"""

import time
from email.utils import parsedate_to_datetime
from typing import Any

import httpx


class ClientError(Exception):
    """`str(error)` is for people."""


class ProblemError(ClientError):
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


class PatienceOver(ClientError):
    """Raised from what was last the matter."""


def checked(response: httpx.Response) -> httpx.Response:
    """The same answer, where it is a success; else raises ProblemError. Its body must have been read."""
    if response.is_success:
        return response
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    raise problem_of(body, response.status_code, _retry_after_s(response))


def problem_of(document: Any, status: int, retry_after_s: float | None = None) -> ProblemError:
    """The exception that a problem document is; `http_error` for what is none, from a proxy perhaps."""
    names = ("code", "detail", "hint")
    told: list[Any] = [document.get(name) for name in names] if isinstance(document, dict) else []
    if not (told and all(isinstance(text, str) for text in told)):
        told = ["http_error", f"The answer was {status}, not from this service?", ""]
    return ProblemError(status, *told, retry_after_s=retry_after_s)


def _retry_after_s(response: httpx.Response) -> float | None:
    """Retry-After in seconds from now, given as such or as a date (RFC 9110, section 10.2.3)."""
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
