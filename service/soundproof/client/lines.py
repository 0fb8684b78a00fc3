"""Lines of bytes that arrive in pieces. Only line ends divide: text may hold what else Python takes for one."""

import re

_END = re.compile(rb"\r\n|\n|\r")


class Lines:
    """Ends of lines are LF, CR or both (WHATWG HTML, server-sent events); JSON lines have LF."""

    def __init__(self) -> None:
        self._rest = b""
        self._half_end = False

    def of(self, data: bytes) -> list[bytes]:
        """The lines that are whole by now, without their ends.

        >>> lines = Lines()
        >>> lines.of(b"one\\ntw"), lines.of(b"o\\r"), lines.of(b"\\nthree")
        ([b'one'], [b'two'], [])
        """
        if not data:
            return []
        ended = data[0] == ord(b"\n") if self._half_end else False
        self._half_end = data.endswith(b"\r")
        *lines, self._rest = _END.split(self._rest + (data[1:] if ended else data))
        return lines

    @property
    def rest(self) -> bytes:
        """The line that has not ended."""
        return self._rest
