"""The lines of a log: one event each, as text or as JSON, of the service and of its workers alike.

No line can be forged or broken by what somebody sent: JSON is ASCII, and in text every character that does not show is
written as its escape. Whoever logs names no file of a caller's, no key and no address that was asked for.
"""

import json
import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType
from typing import Any, Literal

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

# What a line says beside its message: of the request that it was written for, and of its answer.
OF_REQUEST = ("request_id", "trace_id", "key")
OF_ANSWER = ("method", "route", "status", "seconds")
# Of a message, and of an exception: more is cut off, with a mark.
MOST_CHARACTERS = 16_000
_CUT = " [cut]"

# What is told of the request at hand in every line that is written for it.
request: ContextVar[Mapping[str, str]] = ContextVar("request", default=MappingProxyType({}))


@dataclass(frozen=True)
class Style:
    """`level`: of the service's own lines; those of its libraries are never below info, since they may tell anything
    below that."""

    format: LogFormat = "text"
    level: str = "info"


def configure(style: Style) -> None:
    """One line per event on standard error, warnings of Python and what ends the process among them."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if style.format == "json" else TextLines())
    level = logging.getLevelNamesMapping()[style.level.upper()]
    # force: the command line has set up its own by now.
    logging.basicConfig(level=max(level, logging.INFO), handlers=[handler], force=True)
    logging.getLogger("soundproof").setLevel(level)
    # It warns of every broken form, which a request's own line tells of.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False  # what cannot be written is lost; it is not printed raw
    sys.excepthook = _ended


def style() -> Style:
    """That of this process: a worker is given the same."""
    handlers = logging.getLogger().handlers
    is_json = any(isinstance(handler.formatter, JsonLines) for handler in handlers)
    level = logging.getLogger("soundproof").getEffectiveLevel()
    return Style("json" if is_json else "text", logging.getLevelName(level).lower())


class TextLines(logging.Formatter):
    """`2026-11-23 09:00:00,000 INFO soundproof.access: POST /certify 200 0.123 s request_id=...`; the lines of a
    traceback follow, indented, so that none of them can be taken for an event."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (logging's name)
        record.message = _cut(record.message)
        said = " ".join(f"{name}={value}" for name, value in _said(record, OF_REQUEST).items())
        return escaped(" ".join(text for text in (super().formatMessage(record), said) if text))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        lines = _cut(super().formatException(ei)).split("\n")
        return "\n".join(f"    {escaped(line)}" for line in lines)

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        return "\n".join(f"    {escaped(line)}" for line in stack_info.split("\n"))


class JsonLines(logging.Formatter):
    """An object a line: ts (RFC 3339, UTC), level, logger, message, and what there is of request_id, trace_id, key,
    method, route, status, seconds and exception."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _cut(record.getMessage()),
            **_said(record, (*OF_REQUEST, *OF_ANSWER)),
        }
        if record.exc_info:
            line["exception"] = _cut(self.formatException(record.exc_info))
        return json.dumps(line)


def escaped(text: str) -> str:
    """The text with everything that does not show as its escape.

    >>> escaped("a\\nb\\x1b[2J")
    'a\\\\nb\\\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _said(record: logging.LogRecord, names: tuple[str, ...]) -> dict[str, Any]:
    """What the record, or the request at hand, says under these names."""
    said = {**request.get(), **record.__dict__}
    return {name: said[name] for name in names if said.get(name) is not None}


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + _CUT


def _ended(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    logging.getLogger("soundproof").critical("the process ends", exc_info=(kind, error, traceback))
