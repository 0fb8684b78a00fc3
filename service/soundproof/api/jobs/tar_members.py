"""The regular files of a tar archive, read once from its beginning to its end.

Not with tarfile: it calls itself for every header that belongs to another, searches them with a pattern that takes
quadratic time (CVE-2024-6232), goes backwards for sizes below zero (CVE-2025-8194), takes headers into memory at their
word for their size, and a header that it cannot read for the end of the archive. tests/api/jobs/test_tar.py holds this
to what tarfile makes of sound archives.
"""

from collections.abc import Iterator
from typing import Protocol

from soundproof.api.jobs.budget import Budget
from soundproof.api.jobs.members import CHUNK_BYTES, Member, archive_fault, member_name, too_many
from soundproof.api.jobs.name import shown
from soundproof.api.jobs.tar_header import BLOCK_BYTES, END, TarHeader, read_header

# Of a header that only describes the next one. Names have 255; macOS keeps attributes of some thousands there.
MOST_HEADER_BYTES = 1 << 16
MOST_RECORDS = 64

FILES = (b"0", b"\0", b"7")
FOLDER = b"5"
PAX, PAX_OF_ALL, GNU_NAME, GNU_LINK = b"x", b"g", b"L", b"K"
# What pax headers may change here; all else in them describes nothing that a clip is made of.
_PATH, _SIZE, _SPARSE = b"path", b"size", b"GNU.sparse."
_MOST_DIGITS = 20
_REFUSED = {
    b"1": "a link",
    b"2": "a link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"S": "a sparse file",
}


class Readable(Protocol):
    def read(self, size: int) -> bytes: ...


def tar_members(source: Readable, budget: Budget, most: int) -> Iterator[Member]:
    """In the order of the archive. `most`: headers that it may have, those of folders and of other headers too.

    RequestValidationError or HTTPException say what is wrong with it.
    """
    stream = _Stream(source, budget)
    described: dict[bytes, bytes] = {}
    headers = 0
    while (block := stream.exactly(BLOCK_BYTES)) != END:
        headers += 1
        if headers > most:
            raise too_many(most)
        header = read_header(block)
        if header.kind in (PAX, PAX_OF_ALL, GNU_NAME, GNU_LINK):
            described |= _description(header, stream)
            continue
        name = _decoded(described.get(_PATH, header.name))
        size = int(described[_SIZE]) if _SIZE in described else header.size
        described = {}
        if header.kind == FOLDER or (header.kind == b"\0" and name.endswith("/")):
            continue
        if header.kind not in FILES:
            what = _REFUSED.get(header.kind, "of an unknown kind")
            raise archive_fault(f"{shown(name)} is {what}; only regular files are taken")
        member = Member(member_name(name), stream.chunks(size))
        yield member
        for _ in member.chunks:
            pass
        stream.exactly(-size % BLOCK_BYTES)
    while stream.more():  # the padding; of a packed archive, as far as its checksum
        pass


def _description(header: TarHeader, stream: "_Stream") -> dict[bytes, bytes]:
    """What a header says of the one that follows: `path` and `size`, where it does."""
    if header.size > MOST_HEADER_BYTES:
        raise archive_fault(f"has a header of more than {MOST_HEADER_BYTES:,} bytes")
    content = stream.exactly(header.size)
    stream.exactly(-header.size % BLOCK_BYTES)
    if header.kind == GNU_LINK:
        return {}
    if header.kind == GNU_NAME:
        return {_PATH: content.split(b"\0", 1)[0]}
    records = dict(_records(content))
    if any(keyword.startswith(_SPARSE) for keyword in records):
        raise archive_fault("has a sparse file; only regular files are taken")
    described = {keyword: records[keyword] for keyword in (_PATH, _SIZE) if keyword in records}
    if header.kind == PAX_OF_ALL and described:
        raise archive_fault("has a pax header that gives all its files one name or size")
    size = described.get(_SIZE, b"0")
    if not (size.isdigit() and len(size) <= _MOST_DIGITS):
        raise archive_fault("has a pax header with a size that is none")
    return described


def _records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records of a pax header: "LENGTH KEYWORD=VALUE\\n", where the length counts all of it."""
    at = number = 0
    while at < len(content):
        number += 1
        if number > MOST_RECORDS:
            raise archive_fault(f"has a pax header of more than {MOST_RECORDS} records")
        digits, space, _ = content[at : at + _MOST_DIGITS].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = content[at : at + length]
        keyword, equals, value = record[len(digits) + 1 :].partition(b"=")
        if not (space and equals and len(record) == length and record.endswith(b"\n")):
            raise archive_fault("has a pax header that cannot be read")
        yield keyword, value[:-1]
        at += length


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


class _Stream:
    """The unpacked bytes, counted as they come."""

    def __init__(self, source: Readable, budget: Budget) -> None:
        self._source = source
        self._budget = budget

    def more(self, most: int = CHUNK_BYTES) -> bytes:
        """Some bytes, none at the end."""
        content = self._source.read(min(most, CHUNK_BYTES))
        self._budget.spend(len(content))
        return content

    def chunks(self, size: int) -> Iterator[bytes]:
        while size:
            chunk = self.more(size)
            if not chunk:
                raise archive_fault("is a tar archive that ends early")
            size -= len(chunk)
            yield chunk

    def exactly(self, size: int) -> bytes:
        """So many bytes, for sizes that are bounded."""
        return b"".join(self.chunks(size))
