"""SIGTERM while an upload is on its way: the engine does not know of it yet, and it is answered all the same."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from tests.api.attack import GOOD, metric, wait_for
from tests.conftest import Service, serving
from tests.faults.injecting import ended, readiness
from tests.faults.test_drain import AFTERWARDS_S

BODY = b'--B\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n' + GOOD + b"\r\n--B--\r\n"
HEAD = (
    "POST /certify HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B\r\n"
    f"Content-Length: {len(BODY)}\r\n\r\n"
).encode()
SENT = len(BODY) // 2


@contextmanager
def half_sent(service: Service) -> Iterator[socket.socket]:
    """A request of which the service has read the first half."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=2 * AFTERWARDS_S) as connection:
        connection.sendall(HEAD + BODY[:SENT])
        with service.client() as client:
            assert client.get("/livez").is_success  # what was sent before on this machine is read by now
        yield connection


def answer(connection: socket.socket) -> tuple[bytes, dict[str, object]]:
    """The head, and the problem in the body."""
    received = b""
    while piece := connection.recv(1 << 16):
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    return head.lower(), json.loads(body)


def test_an_upload_that_is_complete_in_time_is_told_to_come_back(linear: Path, tmp_path: Path) -> None:
    with serving(linear, tmp_path / "log", SOUNDPROOF_DRAIN_S="60") as service, half_sent(service) as connection:
        process = psutil.Process(service.pid)
        os.kill(service.pid, signal.SIGTERM)
        with service.client() as client:
            assert wait_for(lambda: readiness(client) == 503)
            assert metric(service, "soundproof_queue_depth") == 0
        connection.sendall(BODY[SENT:])
        head, told = answer(connection)
        assert b" 503 " in head.partition(b"\r\n")[0]
        assert told["code"] == "engine_stopped"
        assert ended(process, AFTERWARDS_S)
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_an_upload_that_goes_on_for_too_long_is_answered_as_every_request_is(linear: Path, tmp_path: Path) -> None:
    with serving(linear, tmp_path / "log", SOUNDPROOF_DRAIN_S="1") as service, half_sent(service) as connection:
        process = psutil.Process(service.pid)
        os.kill(service.pid, signal.SIGTERM)
        head, told = answer(connection)
        assert b" 503 " in head.partition(b"\r\n")[0]
        assert told["code"] == "engine_stopped"
        assert b"x-request-id: " in head
        assert b"content-security-policy: " in head
        assert ended(process, 1 + AFTERWARDS_S)
