"""The regular files of a zip archive."""

import stat
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from soundproof.api.jobs.budget import Budget
from soundproof.api.jobs.members import CHUNK_BYTES, Member, archive_fault, member_name, too_many
from soundproof.api.jobs.name import shown
from soundproof.api.jobs.spool import Section

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
MOST_DIRECTORY_BYTES = 16 << 20
_DIRECTORY_ENTRY = b"PK\x01\x02"
# Encrypted; strongly encrypted; with an encrypted directory. APPNOTE.TXT 4.4.4, bits 0, 6 and 13.
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_SPECIAL = (stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK)
_DIFFERENT_FROM_ITS_WORD = (
    BadZipFile,
    NotImplementedError,
    EOFError,
    OverflowError,
    ValueError,
    struct.error,
    zlib.error,
)


class _Source:
    """What zipfile reads from. It takes the directory into memory whole, and makes an object of every entry: both are
    bounded here, before that."""

    def __init__(self, packed: Section, most: int) -> None:
        self._packed = packed
        self._most = most
        self.opened = False
        self.seek, self.tell, self.seekable = packed.seek, packed.tell, packed.seekable

    def read(self, size: int = -1) -> bytes:
        if self.opened:
            return self._packed.read(size)
        content = self._packed.read(MOST_DIRECTORY_BYTES + 1 if size < 0 else min(size, MOST_DIRECTORY_BYTES + 1))
        if len(content) > MOST_DIRECTORY_BYTES or content.count(_DIRECTORY_ENTRY) > self._most:
            raise too_many(self._most)
        return content


def zip_members(packed: Section, budget: Budget, most: int) -> Iterator[Member]:
    """In the order of the archive's directory. `most`: entries that it may have, folders and all.

    RequestValidationError or HTTPException say what is wrong with it.
    """
    source = _Source(packed, most)
    # Names that are not marked as UTF-8 are so nonetheless, or refused: what else they are, nobody can tell.
    with _understood(), ZipFile(cast(IO[bytes], source), metadata_encoding="utf-8") as archive:
        source.opened = True
        entries = archive.infolist()
        starts = sorted([*(entry.header_offset for entry in entries), archive.start_dir])
        for entry in entries:
            if not entry.filename.endswith("/"):  # as is_dir, which fails on an empty name
                name = member_name(entry.orig_filename)
                _check(entry, name)
                end = starts[min(bisect_right(starts, entry.header_offset), len(starts) - 1)]
                yield Member(name, _chunks(archive, entry, source, end, budget))


def _check(entry: ZipInfo, name: str) -> None:
    if entry.header_offset < 0:
        raise archive_fault(f"{shown(name)} begins before the archive")
    if entry.flag_bits & _ENCRYPTED:
        raise archive_fault(f"{shown(name)} is encrypted")
    if stat.S_IFMT(entry.external_attr >> 16) in _SPECIAL:
        raise archive_fault(f"{shown(name)} is a link or a device; only regular files are taken")
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise archive_fault(f"{shown(name)} is packed by method {entry.compress_type}; stored and deflated are read")


def _chunks(archive: ZipFile, entry: ZipInfo, source: _Source, end: int, budget: Budget) -> Iterator[bytes]:
    """`end`: where the next entry, or the directory, begins."""
    with _understood(), archive.open(entry) as member:
        # zipfile has read the entry's header, and stands at its data.
        if source.tell() + entry.compress_size > end:
            raise archive_fault(f"{shown(entry.filename)} overlaps another entry")
        left = entry.file_size
        while chunk := member.read(CHUNK_BYTES):
            budget.spend(len(chunk))
            left -= len(chunk)
            yield chunk
        if left:
            raise BadZipFile(f"{entry.filename} is shorter than it says")


@contextmanager
def _understood() -> Iterator[None]:
    """Whatever zipfile meets in an archive that it does not understand is the archive's fault."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise archive_fault("has a name that is not UTF-8") from error
    except _DIFFERENT_FROM_ITS_WORD as error:
        raise archive_fault(f"is a zip file that cannot be read: {shown(str(error))}") from error
