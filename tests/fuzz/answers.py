"""What the client makes of answers that no service gives. The first byte says which call was made, the second the
status; the first line is Retry-After, the rest the body."""

import httpx
from pydantic import ValidationError

from soundproof.client import wire
from soundproof.client.problem import ClientError, ProblemError
from soundproof.client.sse import ServerSentEvents

WORDS = (
    b"event: ",
    b"data: ",
    b"id: ",
    b"\r\n",
    b"\n\n",
    b'{"code": "',
    b'", "detail": "',
    b'", "hint": "',
    b"Wed, 21 Oct 2015",
    b" GMT",
)
CALLS = (
    lambda: wire.certify(b"", {}),
    lambda: wire.sweep(b"", "waveform", {}),
    lambda: wire.verify(b"", b"", {}),
    lambda: wire.certificate("sha256:0"),
    wire.models,
    wire.ready,
    lambda: wire.job("0"),
)
STATUSES = (200, 202, 400, 404, 422, 429, 500, 503, 301, 204)


def check(data: bytes) -> None:
    """Any answer is a result, a ProblemError or, for a success that makes no sense, a ValidationError: always a
    ValueError or an error of the client's own. A stream of events is the same in whatever pieces it arrives."""
    if len(data) < 2:
        return
    call, status = CALLS[data[0] % len(CALLS)](), STATUSES[data[1] % len(STATUSES)]
    retry_after, _, body = data[2:].partition(b"\n")
    headers = [(b"retry-after", retry_after)] if retry_after else []
    try:
        call.result(httpx.Response(status, headers=headers, content=body))
    except ClientError as error:
        _check_error(error)
    except (ValidationError, ValueError):
        assert status < 300
    _check_events(body)


def _check_error(error: ClientError) -> None:
    assert isinstance(error, ProblemError)
    assert all(isinstance(text, str) for text in (error.code, error.detail, error.hint))
    assert error.retry_after_s is None or error.retry_after_s >= 0
    assert str(error)


def _check_events(body: bytes) -> None:
    whole, in_pieces = ServerSentEvents(), ServerSentEvents()
    at_once = list(whole.of(body))
    assert [event for at in range(len(body)) for event in in_pieces.of(body[at : at + 1])] == at_once
