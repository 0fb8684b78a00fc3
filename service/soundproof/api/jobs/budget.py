"""What an archive may still unpack to."""

from starlette.exceptions import HTTPException

# So much an archive may unpack to whatever its own size: a second of silence is packed to almost nothing.
FREE_BYTES = 1 << 20


class Budget:
    """Counts the bytes that really come out, whatever the archive says of itself. `ratio`: unpacked : packed bytes."""

    def __init__(self, *, packed_bytes: int, most_bytes: int, ratio: float) -> None:
        self._most_bytes = most_bytes
        self._ratio = ratio
        self._most_by_ratio = max(FREE_BYTES, ratio * packed_bytes)
        self._unpacked = 0

    def spend(self, unpacked_bytes: int) -> None:
        """Raises HTTPException 413."""
        self._unpacked += unpacked_bytes
        if self._unpacked > self._most_bytes:
            raise HTTPException(413, f"The archive unpacks to more than {self._most_bytes:,} bytes.")
        if self._unpacked > self._most_by_ratio:
            raise HTTPException(413, f"The archive unpacks to more than {self._ratio:g} times its own size.")
