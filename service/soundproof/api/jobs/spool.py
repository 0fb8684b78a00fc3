"""All files of one request, one behind the other in a single unnamed file on disk."""

import errno
import os
import tempfile
from threading import Lock

from soundproof.errors import StoreUnavailable


class Spool:
    """A job of many clips takes one file descriptor and no memory. Closing deletes it all.

    Safe for several threads: whoever still works on it after `close` gets ValueError. StoreUnavailable when the disk
    is full.
    """

    def __init__(self) -> None:
        # Unbuffered, so that a full disk is an error of the write that fills it, and not of closing.
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (closed by close)
        self._lock = Lock()
        self._size = 0

    @property
    def size(self) -> int:
        return self._size

    def append(self, content: bytes) -> None:
        with self._lock:
            self._file.seek(self._size)
            rest = memoryview(content)
            try:
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError as error:
                raise StoreUnavailable(
                    f"There is no room for the upload: {error.strerror}.", "Try again later."
                ) from error
            self._size += len(content)

    def read(self, start: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(start)
            return self._file.read(size)

    def shorten(self, size: int) -> None:
        """Forget what lies behind the first so many bytes."""
        with self._lock:
            self._file.truncate(size)
            self._size = size

    def close(self) -> None:
        with self._lock:
            self._file.close()


class Section:
    """One file in a spool. It begins where the spool ends at its first write, and grows while nothing else is written
    behind it. Reads and seeks as a binary file does; it needs no closing."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._start = 0
        self._position = 0
        self.size = 0

    def write(self, content: bytes) -> int:
        if not self.size:
            self._start = self._spool.size
        if self._start + self.size != self._spool.size:
            raise ValueError("another section was begun behind this one")
        self._spool.append(content)
        self.size += len(content)
        self._position = self.size
        return len(content)

    def read(self, size: int | None = -1) -> bytes:
        """At most `size` bytes, whatever is asked for: nothing is allocated from a file's word."""
        rest = max(0, self.size - self._position)
        size = rest if size is None or size < 0 else min(size, rest)
        content = self._spool.read(self._start + self._position, size)
        self._position += len(content)
        return content

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        if position < 0:
            raise OSError(errno.EINVAL, "a position before the beginning")
        self._position = position
        return position

    def tell(self) -> int:
        return self._position

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing: the spool is closed as a whole."""

    def drop(self) -> None:
        """Give back the room; the last section only."""
        if self.size:
            self._spool.shorten(self._start)
            self.size = self._position = 0

    def content(self) -> bytes:
        """All of it, wherever it was read last."""
        return self.first(self.size)

    def first(self, size: int) -> bytes:
        """At most so many bytes of it."""
        return self._spool.read(self._start, min(size, self.size))
