"""Requests as no honest client sends them, and what all answers to them have in common."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
from tests.audio.wav_bytes import encode_pcm16
from tests.conftest import TINY_SAMPLES, Service

BOUNDARY = b"boundary"
MULTIPART = "multipart/form-data; boundary=boundary"
# As long as the tiny model hears, and known to nothing else.
GOOD = encode_pcm16((0.1 * np.random.default_rng(17).standard_normal((1, TINY_SAMPLES))).astype(np.float32), 16_000)


def upload(service: Service, clip: bytes, name: str = "yes.wav", **fields: Any) -> httpx.Response:
    """POST a clip to /certify; few votes unless `fields` say otherwise."""
    data = {key: str(value) for key, value in ({"n": 200, "sigma": 0.01} | fields).items()}
    with service.client() as client:
        return client.post("/certify", files={"audio": (name, clip)}, data=data)


def certificate(answer: httpx.Response) -> dict[str, Any]:
    """The certificate of an answer that has to be one."""
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


@dataclass(frozen=True)
class Answer:
    """An answer read from a raw connection; header names in lower case."""

    status_code: int
    headers: dict[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


def problem(answer: httpx.Response | Answer, status: int, code: str) -> dict[str, Any]:
    """The problem of an answer, which must be a whole one: RFC 9457 with our code, hint and request id."""
    assert answer.status_code == status, answer.content
    assert answer.headers["content-type"] == "application/problem+json"
    content: dict[str, Any] = answer.json()
    assert content.keys() - {"errors"} == {"type", "title", "status", "detail", "code", "hint", "request_id"}
    assert content["status"] == status
    assert content["code"] == code, content
    assert content["type"] == f"urn:soundproof:problem:{code}"
    assert content["title"]
    assert content["detail"]
    assert content["request_id"] == answer.headers["x-request-id"]
    assert len(content["request_id"]) == 32
    return content


def part(name: str, value: bytes | str, filename: str | None = None) -> bytes:
    """One part of a multipart form: a text field, or a file if it has a name."""
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
    content = value.encode() if isinstance(value, str) else value
    return f"Content-Disposition: {disposition}\r\n\r\n".encode() + content


AUDIO = part("audio", GOOD, "yes.wav")
FEW = part("n", "200")


def form(*parts: bytes, boundary: bytes = BOUNDARY) -> bytes:
    """A multipart body."""
    return b"".join(b"--" + boundary + b"\r\n" + each + b"\r\n" for each in parts) + b"--" + boundary + b"--\r\n"


WHOLE = form(AUDIO, FEW)


def post_form(service: Service, body: bytes, content_type: str = MULTIPART) -> httpx.Response:
    """POST a body to /certify as it is."""
    with service.client() as client:
        return client.post("/certify", content=body, headers={"Content-Type": content_type})


def head(line: str = "POST /certify", **headers: str | int) -> bytes:
    """The head of a request; underscores in header names stand for hyphens."""
    fields = {"Host": "127.0.0.1", "Content_Type": MULTIPART} | headers
    lines = [f"{line} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def chunked(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Connection:
    """A TCP connection to the service with nothing in between; whatever waits, waits for `patience_s` at most."""

    def __init__(self, service: Service, patience_s: float = 20) -> None:
        self.socket = socket.create_connection(("127.0.0.1", service.port), timeout=patience_s)
        self._incoming = self.socket.makefile("rb")

    def send(self, *data: bytes) -> None:
        for each in data:
            self.socket.sendall(each)

    def answer(self) -> Answer:
        """The next answer; of one that the connection's end delimits, what arrived."""
        status = self._incoming.readline().split()[1]
        headers = {name.lower(): value for name, value in http.client.parse_headers(self._incoming).items()}
        if "content-length" in headers:
            return Answer(int(status), headers, self._incoming.read(int(headers["content-length"])))
        content = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := self._incoming.read1():
                content += piece
        return Answer(int(status), headers, content)

    def is_closed(self) -> bool:
        """Whether the service ends the connection, without another word."""
        try:
            return self._incoming.read1() == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def close(self) -> None:
        self._incoming.close()
        self.socket.close()


@contextmanager
def connection(service: Service) -> Iterator[Connection]:
    with contextlib.closing(Connection(service)) as opened:
        yield opened


def metric(service: Service, name: str, **labels: str) -> float:
    """The sum of a metric's values over what its other labels may be."""
    with service.client() as client:
        lines = client.get("/metrics").text.splitlines()
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    found = [line for line in lines if line.startswith((f"{name} ", f"{name}{{")) and all(w in line for w in wanted)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in found)


def wait_for(state: Callable[[], bool], within_s: float = 20) -> bool:
    """Whether a state is reached in time."""
    deadline = time.monotonic() + within_s
    while not (reached := state()) and time.monotonic() < deadline:
        threading.Event().wait(0.05)
    return reached
