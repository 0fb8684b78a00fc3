"""The reader of archives: zip, tar, tar.gz. Checksums, which no mutation hits, are made right first.

The first byte says what is made of the rest: the archive as it is, a tar whose headers have right checksums, the same
packed by gzip, or a zip archive put together from what the bytes say (tests/fuzz/zips.py).
"""

import gzip
import hashlib
from contextlib import closing

from tests.fuzz.intake import LIMITS, outcome
from tests.fuzz.zips import assembled

from soundproof.api.jobs.name import clip_name, hidden
from soundproof.api.jobs.sent import unpacked
from soundproof.api.jobs.spool import Section, Spool
from soundproof.api.jobs.tar_header import BLOCK_BYTES, MAGIC, MAGIC_AT

WORDS = (
    b"PK\x01\x02",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"PK\x06\x07",
    b"PK\x07\x08",
    b"ustar\x0000",
    *(b"ustar  \x00", b" path=", b" size=", b" GNU.sparse.", b"././@LongLink", b"/", b"../", b"\x1f\x8b\x08"),
)
AS_IT_IS, TAR, TAR_GZ, ZIP = range(4)
Files = list[tuple[str, int, str, bytes | None]]


def check(data: bytes) -> None:
    """An archive is unpacked within its limits or refused in words, the same every time.

    Names are sound and come once; sizes and digests are those of the content; nothing is kept of a file that is too
    large; the spool holds no byte more than the archive and its clips.
    """
    if not data:
        return
    packed = made(data[0] % 4, data[1:])
    found = outcome(lambda: _unpacked(packed))
    assert found == outcome(lambda: _unpacked(packed)), "another answer the second time"


def made(kind: int, rest: bytes) -> bytes:
    """The archive that an input stands for."""
    if kind == TAR:
        return _with_checksums(rest)
    if kind == TAR_GZ:
        return gzip.compress(_with_checksums(rest), 1, mtime=0)
    return assembled(rest) if kind == ZIP else rest


def _unpacked(packed: bytes) -> Files:
    with closing(Spool()) as spool:
        archive = Section(spool)
        archive.write(packed)
        files = unpacked(archive, spool, LIMITS)
        kept = 0
        found: Files = []
        for name, file in files.items():
            content = None if file.section is None else file.section.content()
            assert (file.name, clip_name(name)) == (name, name)
            assert not hidden(name)
            if content is None:
                assert file.size > LIMITS.clip_bytes
            else:
                assert len(content) == file.size <= LIMITS.clip_bytes
                assert hashlib.sha256(content).hexdigest() == file.sha256
                kept += len(content)
            found.append((name, file.size, file.sha256, content))
        assert spool.size == len(packed) + kept
        assert sum(size for _, size, _, _ in found) <= LIMITS.expanded_bytes
        assert archive.content() == packed
        return found


def _with_checksums(content: bytes) -> bytes:
    """The right checksum in every block that has the mark of a header; a tar archive ends with empty blocks."""
    blocks = bytearray(content)
    for at in range(0, len(blocks) - BLOCK_BYTES + 1, BLOCK_BYTES):
        if blocks[at + MAGIC_AT : at + MAGIC_AT + len(MAGIC)] == MAGIC:
            blocks[at + 148 : at + 156] = b" " * 8
            blocks[at + 148 : at + 156] = b"%06o\0 " % sum(blocks[at : at + BLOCK_BYTES])
    return bytes(blocks)
