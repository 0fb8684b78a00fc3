"""Lines of the log, whatever is in them."""

import json
import logging
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundproof import logs
from soundproof.logs import JsonLines, LogFormat, Style, TextLines, escaped

FORGED = "x\n2026-01-01 00:00:00,000 INFO soundproof.access: GET /forged 200\r\x1b[2J\x1b]0;title\x07\u2028\u202e\ud800"


@pytest.fixture
def configured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[pytest.CaptureFixture[str]]:
    """Standard error, and logging as it was afterwards."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(logging, "raiseExceptions", logging.raiseExceptions)
    root, ours = logging.getLogger(), logging.getLogger("soundproof")
    before = root.level, ours.level, root.handlers[:]
    for handler in before[2]:
        root.removeHandler(handler)  # which `force` would close
    yield capsys
    logging.captureWarnings(capture=False)
    root.handlers[:] = before[2]
    root.setLevel(before[0])
    ours.setLevel(before[1])


def record(message: str, *args: object, **extra: Any) -> logging.LogRecord:
    return logging.getLogger("soundproof.x").makeRecord(
        "soundproof.x", logging.INFO, "f", 1, message, args, None, extra=extra
    )


@given(st.text(st.characters()))
def test_no_text_makes_more_than_one_line(text: str) -> None:
    for formatter in (TextLines(), JsonLines()):
        [line] = formatter.format(record("%s", text)).splitlines()
        assert line.isprintable()
        assert line.isascii() or isinstance(formatter, TextLines)


def test_text_shows_what_would_not_show() -> None:
    assert escaped("plain, with umlauts: äöü") == "plain, with umlauts: äöü"
    line = TextLines().format(record("%s", FORGED))
    assert r"x\n2026-01-01" in line
    assert r"\r\x1b[2J\x1b]0;title\x07\u2028\u202e\ud800" in line


def test_a_line_of_json_has_the_fields_of_the_request_and_of_the_answer() -> None:
    before = logs.request.set({"request_id": "r-1", "trace_id": "t-1"})
    try:
        extra = {"method": "GET", "route": "/models", "status": 200, "seconds": 0.25, "key": "ci"}
        line = json.loads(JsonLines().format(record("GET %s", "/models", **extra)))
    finally:
        logs.request.reset(before)
    moment = datetime.fromisoformat(line.pop("ts"))
    assert moment.tzinfo == UTC
    assert abs((moment - datetime.now(UTC)).total_seconds()) < 60
    assert line == {
        "level": "info",
        "logger": "soundproof.x",
        "message": "GET /models",
        "request_id": "r-1",
        "trace_id": "t-1",
        "key": "ci",
        "method": "GET",
        "route": "/models",
        "status": 200,
        "seconds": 0.25,
    }
    assert "request_id" not in json.loads(JsonLines().format(record("later")))


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_exception_stays_with_its_event(configured: pytest.CaptureFixture[str], form: LogFormat) -> None:
    logs.configure(Style(form))
    try:
        raise ValueError(FORGED)
    except ValueError:
        logging.getLogger("soundproof.x").exception("it failed")
    written = configured.readouterr().err
    assert not [line for line in written.split("\n") if line.startswith("2026-01-01")]
    first, *others = written.rstrip("\n").split("\n")
    assert all(line.isprintable() for line in (first, *others))
    if form == "json":
        assert not others
        line = json.loads(first)
        assert line["message"] == "it failed"
        assert line["exception"].startswith("Traceback")
        assert "ValueError: x\n2026" in line["exception"]
    else:
        assert first.endswith("ERROR soundproof.x: it failed")
        assert others
        assert all(line.startswith("    ") for line in others)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_long_message_is_cut(form: LogFormat) -> None:
    formatter = {"text": TextLines, "json": JsonLines}[form]()
    line = formatter.format(record("%s", "x" * 100_000))
    assert len(line) < 20_000
    assert "[cut]" in line


def test_libraries_never_tell_more_than_info(configured: pytest.CaptureFixture[str]) -> None:
    logs.configure(Style("text", "debug"))
    logging.getLogger("soundproof.x").debug("ours")
    logging.getLogger("library").debug("theirs, of what was sent")
    logging.getLogger("library").info("theirs")
    assert [line.rpartition(": ")[2] for line in configured.readouterr().err.splitlines()] == ["ours", "theirs"]


def test_warnings_of_python_are_events(configured: pytest.CaptureFixture[str]) -> None:
    logs.configure(Style("json"))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)  # catch_warnings has put back Python's own
        warnings.warn("deprecated", UserWarning, stacklevel=1)
    line = json.loads(configured.readouterr().err)
    assert line["level"] == "warning"
    assert "deprecated" in line["message"]


def test_what_ends_the_process_is_an_event(configured: pytest.CaptureFixture[str]) -> None:
    logs.configure(Style("json"))
    sys.excepthook(ValueError, ValueError("boom"), None)
    line = json.loads(configured.readouterr().err)
    assert (line["level"], line["exception"]) == ("critical", "ValueError: boom")


def test_what_cannot_be_told_is_not_printed_raw(configured: pytest.CaptureFixture[str]) -> None:
    logs.configure(Style("text"))
    logging.getLogger("soundproof.x").info("%d", "hush")
    assert configured.readouterr().err == ""


@pytest.mark.parametrize("style", [Style("json", "debug"), Style("text", "warning")])
def test_a_worker_is_told_the_style_of_its_service(configured: pytest.CaptureFixture[str], style: Style) -> None:
    logs.configure(style)
    assert logs.style() == style
