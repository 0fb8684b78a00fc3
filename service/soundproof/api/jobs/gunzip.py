"""The content of a gzip file, as it is asked for."""

import zlib

from soundproof.api.jobs.members import CHUNK_BYTES, archive_fault
from soundproof.api.jobs.spool import Section

# RFC 1952 around a window of the largest size.
_GZIP = 16 + zlib.MAX_WBITS


class Gunzip:
    """Of one gzip stream, checksum and all. Python's gzip would also do; it reads a name in the header byte by byte, be
    it as long as the file."""

    def __init__(self, packed: Section) -> None:
        self._packed = packed
        self._inflate = zlib.decompressobj(_GZIP)

    def read(self, size: int) -> bytes:
        """At least one byte and at most `size`; none at the end. RequestValidationError says what is wrong."""
        while not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._packed.read(CHUNK_BYTES)
            if not packed:
                raise archive_fault("is a gzip file that ends early")
            try:
                content = self._inflate.decompress(packed, size)
            except zlib.error as error:
                raise archive_fault("is a gzip file that cannot be read") from error
            if content:
                return content
        if self._inflate.unused_data or self._packed.read(1):
            raise archive_fault("is a gzip file with something behind its end")
        return b""
