"""Bytes that are no HTTP, and several requests on one connection."""

import contextlib

import pytest
from tests.api.attack import GOOD, WHOLE, certificate, connection, head, problem, upload
from tests.conftest import Service

pytestmark = pytest.mark.usefixtures("unharmed")


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 32 + b"\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET /" + b"a" * 200_000,
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 50_000,
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: x\r\n\r\n",
        head(Content_Length=-1),
        head(Content_Length="1e3"),
        head(Content_Length=5, content_Length=6),
        head(Transfer_Encoding="gzip"),
        head(Transfer_Encoding="chunked") + b"zz\r\n",
        head(Transfer_Encoding="chunked") + b"-1\r\n",
        head(Transfer_Encoding="chunked") + b"f" * 100 + b"\r\n",
    ],
    ids=[
        "TLS",
        "no request",
        "long line",
        "long head",
        "no host",
        "not ASCII",
        "bad header",
        "negative length",
        "length in words",
        "two lengths",
        "unknown transfer encoding",
        "chunk size in letters",
        "negative chunk size",
        "chunk size of 100 digits",
    ],
)
def test_what_is_no_http_is_refused_and_cut_off(service: Service, data: bytes) -> None:
    with connection(service) as opened:
        with contextlib.suppress(ConnectionError):
            opened.send(data)
        refused = opened.answer()
        assert refused.status_code == 400
        assert opened.is_closed()


def test_a_request_behind_another_on_the_same_connection_gets_its_own_answer(service: Service) -> None:
    with connection(service) as opened:
        opened.send(head(Content_Length=len(WHOLE)), WHOLE, head("GET /nowhere"), head("GET /livez"))
        first = opened.answer()
        assert first.json()["certificate_id"] == certificate(upload(service, GOOD, sigma=0.1))["certificate_id"]
        problem(opened.answer(), 404, "not_found")
        assert opened.answer().json() == {"status": "alive"}


def test_a_refused_request_leaves_its_connection_usable(service: Service) -> None:
    with service.client() as client:
        refused = client.post("/certify", files={"audio": b"no wav"})
        good = client.post("/certify", files={"audio": GOOD}, data={"n": "200"})
        problem(refused, 415, "unsupported_audio")
        assert "connection" not in refused.headers
        assert good.extensions["network_stream"] is refused.extensions["network_stream"]
    certificate(good)
