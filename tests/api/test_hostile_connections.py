"""Clients that stall or never end, over bare sockets to the running service."""

import contextlib
import itertools
import select
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from tests.api.attack import (
    AUDIO,
    GOOD,
    MULTIPART,
    WHOLE,
    Answer,
    Connection,
    certificate,
    chunked,
    connection,
    form,
    head,
    metric,
    part,
    problem,
    upload,
    wait_for,
)
from tests.conftest import BODY_DEADLINE_S, Service

from soundproof.api.limits import LINGER_S

pytestmark = pytest.mark.usefixtures("unharmed")

LIMIT_BYTES = 8 << 20
PIECE = b"x" * 65_536


def send_until_refused(opened: Connection, data: bytes, every_s: float = 0.0) -> Answer:
    """Send the same data again and again, as the service takes it or every so often, until there is an answer."""
    with contextlib.suppress(ConnectionError):
        while not select.select([opened.socket], [], [], every_s)[0]:
            opened.send(data)
    return opened.answer()


def is_cut_off(opened: Connection, data: bytes, within_s: float = 10) -> bool:
    """Whether the service ends a connection on which the same data comes again and again."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            opened.send(data)
        except ConnectionError:
            return True
    return False


@dataclass(frozen=True)
class Loiterers:
    """Clients that have sent less than the head of a request; one of them has had an answer before."""

    waiting: list[Connection]
    answered: Connection


@pytest.fixture(scope="module")
def loiterers(service: Service) -> Iterator[Loiterers]:
    beginnings = [b"", b"P", b"POST /certify HTTP/1.1\r\n", head()[:-2]]
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(connection(service)) for _ in range(200)]
        for opened, beginning in zip(waiting, itertools.cycle(beginnings), strict=False):
            opened.send(beginning)
        answered = stack.enter_context(connection(service))
        answered.send(head("GET /livez"))
        assert answered.answer().status_code == 200
        answered.send(head("GET /livez")[:-1])
        yield Loiterers(waiting, answered)


def test_hundreds_of_clients_that_never_get_to_the_point_hurt_nobody(service: Service, loiterers: Loiterers) -> None:
    started = time.monotonic()
    for _ in range(5):
        certificate(upload(service, GOOD))
    assert time.monotonic() - started < 5


def test_a_body_announced_as_too_large_is_refused_before_it_is_sent(service: Service) -> None:
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(connection(service)) for _ in range(3)]
        for opened, announced in zip(waiting, [LIMIT_BYTES + 1, 2**32, 10**19], strict=True):
            opened.send(head(Content_Length=announced, Expect="100-continue"))
            refused = opened.answer()  # and no "100 Continue" before it
            assert "8,388,608 bytes" in problem(refused, 413, "body_too_large")["detail"]
            assert refused.headers["connection"] == "close"
        assert all(opened.is_closed() for opened in waiting)


def test_a_body_that_is_sent_to_the_end_although_it_is_too_large_gets_its_answer(service: Service) -> None:
    with service.client() as client:
        refused = client.post("/certify", files={"audio": b"RIFF" + b"x" * (LIMIT_BYTES + 100_000)})
    problem(refused, 413, "body_too_large")


@dataclass(frozen=True)
class Endless:
    """A request whose chunked body begins with `begin` and goes on with `piece` for ever; what it is answered."""

    begin: bytes
    piece: bytes
    status: int
    code: str
    line: str = "POST /certify"
    content_type: str = MULTIPART


FILE = b"--boundary\r\n" + part("audio", b"", "yes.wav")
TEXT = b"--boundary\r\n" + part("label", b"")


@pytest.mark.parametrize(
    "endless",
    [
        pytest.param(Endless(chunked(FILE), chunked(PIECE), 413, "body_too_large"), id="a file"),
        pytest.param(Endless(b"f" * 15 + b"\r\n" + FILE, PIECE, 413, "body_too_large"), id="in one chunk"),
        pytest.param(Endless(chunked(TEXT), chunked(PIECE), 400, "bad_request"), id="a text"),
        pytest.param(Endless(chunked(WHOLE), chunked(PIECE), 413, "body_too_large"), id="behind the form"),
        pytest.param(Endless(b"", chunked(PIECE), 400, "bad_request"), id="no form"),
        pytest.param(
            Endless(b"", chunked(PIECE), 415, "unsupported_media_type", content_type="text/plain"), id="another type"
        ),
        pytest.param(Endless(b"", chunked(PIECE), 404, "not_found", line="POST /nowhere"), id="another address"),
        pytest.param(Endless(b"", chunked(PIECE), 405, "method_not_allowed", line="PUT /certify"), id="another method"),
    ],
)
def test_an_endless_body_is_refused_and_cut_off(service: Service, endless: Endless) -> None:
    started = time.monotonic()
    with connection(service) as opened:
        opened.send(
            head(endless.line, Transfer_Encoding="chunked", Content_Type=endless.content_type),
            endless.begin,
        )
        refused = send_until_refused(opened, endless.piece)
        problem(refused, endless.status, endless.code)
        assert refused.headers["connection"] == "close"
        assert is_cut_off(opened, endless.piece)
    assert time.monotonic() - started < BODY_DEADLINE_S + LINGER_S + 5


def test_an_endless_body_of_single_bytes_is_refused_and_cut_off_while_others_are_served(service: Service) -> None:
    single = b"1\r\nx\r\n" * 5_000
    underway = threading.Event()

    def send_singly() -> tuple[Answer, bool]:
        with connection(service) as opened:
            opened.send(head(Transfer_Encoding="chunked"), chunked(FILE), single * 5)
            underway.set()
            return send_until_refused(opened, single), is_cut_off(opened, single)

    with ThreadPoolExecutor(1) as clients:
        waiting = clients.submit(send_singly)
        assert underway.wait(20)
        certificate(upload(service, GOOD))
        assert not waiting.done()
        refused, cut_off = waiting.result()
    certificate(upload(service, GOOD))
    # Whether its bytes or its seconds are up first is a matter of the machine.
    problem(refused, *((413, "body_too_large") if refused.status_code == 413 else (408, "request_timeout")))
    assert cut_off


def test_a_body_where_none_is_expected_is_cut_off(service: Service) -> None:
    with connection(service) as opened:
        opened.send(head("GET /livez", Transfer_Encoding="chunked"))
        answer = send_until_refused(opened, chunked(PIECE))
        assert answer.json() == {"status": "alive"}
        assert is_cut_off(opened, chunked(PIECE))


def test_bodies_slower_than_the_deadline_are_refused_in_time_while_others_are_served(service: Service) -> None:
    slow: list[tuple[dict[str, Any], bytes, bytes]] = [
        ({"Content_Length": 5_000}, b"", b""),
        ({"Content_Length": 5_000}, WHOLE[:200], b"x"),
        ({"Content_Length": len(WHOLE)}, WHOLE[:-1], b""),
        ({"Transfer_Encoding": "chunked"}, chunked(WHOLE[:200]), b"1\r\nx\r\n"),
        ({"Transfer_Encoding": "chunked"}, chunked(WHOLE), b""),
    ]

    def send_slowly(headers: dict[str, Any], begin: bytes, piece: bytes) -> tuple[Answer, float, bool, float]:
        with connection(service) as opened:
            started = time.monotonic()
            opened.send(head(**headers), begin)
            answer = send_until_refused(opened, piece, every_s=0.05)
            answered_s = time.monotonic() - started
            return answer, answered_s, opened.is_closed(), time.monotonic() - started

    with ThreadPoolExecutor(len(slow)) as clients:
        waiting = [clients.submit(send_slowly, *each) for each in slow]
        for _ in range(5):
            certificate(upload(service, GOOD))
        assert not any(each.done() for each in waiting)
        for each in waiting:
            refused, answered_s, closed, closed_s = each.result()
            assert f"within {BODY_DEADLINE_S:g} s" in problem(refused, 408, "request_timeout")["detail"]
            assert refused.headers["connection"] == "close"
            assert BODY_DEADLINE_S <= answered_s < BODY_DEADLINE_S + 2
            assert closed
            assert closed_s < BODY_DEADLINE_S + LINGER_S + 2


def test_a_client_that_sends_on_and_on_behind_its_request_is_cut_off(service: Service) -> None:
    body = form(AUDIO, part("model", "speech-commands-12"), part("n", "300000"))
    with connection(service) as opened:
        opened.send(head(Content_Length=len(body)), body)
        assert is_cut_off(opened, head("GET /livez"))
    assert wait_for(lambda: metric(service, "soundproof_queue_depth") == 0)


def test_clients_that_do_not_finish_the_head_of_a_request_are_cut_off(loiterers: Loiterers) -> None:
    assert all(opened.is_closed() for opened in loiterers.waiting)


def test_a_client_that_does_not_finish_the_head_of_its_second_request_is_cut_off(loiterers: Loiterers) -> None:
    assert loiterers.answered.is_closed()
