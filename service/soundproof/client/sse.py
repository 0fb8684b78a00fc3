"""Server-sent events from bytes, as WHATWG HTML, section 9.2.6, has them read; ids are left out."""

from collections.abc import Iterator
from dataclasses import dataclass

from soundproof.client.lines import Lines


@dataclass(frozen=True)
class ServerSentEvent:
    """`name`: message, unless it has one of its own."""

    name: str
    data: str


class ServerSentEvents:
    """One stream of them. Comments, and events without data, are nothing."""

    def __init__(self) -> None:
        self._lines = Lines()
        self._name = ""
        self._data: list[str] = []

    def of(self, data: bytes) -> Iterator[ServerSentEvent]:
        """The events that are whole by now."""
        for line in self._lines.of(data):
            if line:
                self._take(line.decode("utf-8", "replace"))
                continue
            if self._data:
                yield ServerSentEvent(self._name or "message", "\n".join(self._data))
            self._name, self._data = "", []

    def _take(self, line: str) -> None:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
