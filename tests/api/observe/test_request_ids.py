"""A caller's own request id, where it is safe; a fresh one where it is not."""

import re
from typing import Any

import pytest
from tests.api.attack import Connection, connection, head, wait_for
from tests.conftest import Service

FRESH = re.compile(r"[0-9a-f]{32}")


def asked(opened: Connection, *lines: bytes) -> Any:
    """GET /nowhere with these header lines, as they are."""
    opened.send(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n", *(line + b"\r\n" for line in lines), b"\r\n")
    return opened.answer()


@pytest.mark.parametrize("given", ["a", "A-1_b.c", "0" * 128, "550e8400-e29b-41d4-a716-446655440000"])
def test_a_safe_id_is_taken_over(service: Service, given: str) -> None:
    with service.client() as client:
        answer = client.get("/nowhere", headers={"X-Request-ID": given})
    assert answer.headers.get_list("x-request-id") == [given]
    assert answer.json()["request_id"] == given
    assert wait_for(lambda: f"request_id={given}" in service.log.read_text())


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b" ",
        b"0" * 129,
        b"a b",
        b"a,b",
        b"a;b",
        b"../a",
        b"a%0a",
        b"a\tb",
        b"\xc3\xa4",
        b"<script>",
        b"a\x80",
        b"a=",
    ],
)
def test_any_other_is_replaced_by_a_fresh_one(service: Service, given: bytes) -> None:
    with connection(service) as opened:
        answer = asked(opened, b"X-Request-ID: " + given)
    assert FRESH.fullmatch(answer.headers["x-request-id"])
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_two_ids_are_none(service: Service) -> None:
    with connection(service) as opened:
        answer = asked(opened, b"X-Request-ID: one", b"X-Request-ID: two")
    assert FRESH.fullmatch(answer.headers["x-request-id"])


def test_an_answer_before_the_body_is_there_has_it(service: Service) -> None:
    with connection(service) as opened:
        opened.send(head(Content_Length=1 << 30, X_Request_ID="too-large"))
        assert opened.answer().json()["request_id"] == "too-large"
