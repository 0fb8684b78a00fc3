"""Lines and server-sent events from bytes that come in any pieces."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundproof.client.lines import Lines
from soundproof.client.sse import ServerSentEvent, ServerSentEvents

TEXT = st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", "\u2028".encode(), b"\x0b"])).map(b"".join)


def pieces(text: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    return [text[start:end] for start, end in pairwise(places)]


@given(TEXT, st.lists(st.integers(0, 40)))
def test_lines_do_not_depend_on_the_pieces(text: bytes, cuts: list[int]) -> None:
    lines = Lines()
    found = [line for piece in pieces(text, cuts) for line in lines.of(piece)]
    assert [*found, lines.rest] == re.split(rb"\r\n|\r|\n", text)


@given(st.lists(st.integers(0, 200)))
def test_events_do_not_depend_on_the_pieces(cuts: list[int]) -> None:
    text = (
        ": a comment\r\n\r\nevent: clip\r\ndata: {1}\r\nid: 7\r\n\r\n"
        "data\ndata:two\ndata:  lines\n\nevent: none\n\nretry: 10\ndata: \u2028\n\ndata: half"
    ).encode()
    events = ServerSentEvents()
    found = [event for piece in pieces(text, cuts) for event in events.of(piece)]
    assert found == [
        ServerSentEvent("clip", "{1}"),
        ServerSentEvent("message", "\ntwo\n lines"),
        ServerSentEvent("message", "\u2028"),
    ]


@pytest.mark.parametrize("text", [b"data: x\n\n", b"data: x\r\r", b"data: x\r\n\r\n"])
def test_an_event_ends_with_any_empty_line(text: bytes) -> None:
    assert list(ServerSentEvents().of(text)) == [ServerSentEvent("message", "x")]
