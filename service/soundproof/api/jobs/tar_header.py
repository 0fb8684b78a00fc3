"""One 512-byte header of a tar archive (POSIX.1-2001, pax; GNU tar)."""

import re
from dataclasses import dataclass

from soundproof.api.jobs.members import archive_fault

BLOCK_BYTES = 512
END = bytes(BLOCK_BYTES)

# At this place; behind it POSIX has a NUL, GNU tar a space.
MAGIC, MAGIC_AT = b"ustar", 257
_POSIX = MAGIC + b"\0"

_OCTAL = re.compile(rb" *([0-7]*)[ \x00]*")
_BINARY = 0x80


@dataclass(frozen=True)
class TarHeader:
    """`kind`: the type flag. `name`: as bytes, of no known encoding. `size`: bytes of content behind the header."""

    kind: bytes
    name: bytes
    size: int


def read_header(block: bytes) -> TarHeader:
    """RequestValidationError for a block that is none."""
    magic = block[MAGIC_AT : MAGIC_AT + len(_POSIX)]
    if magic not in (_POSIX, MAGIC + b" ") or _number(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * ord(
        " "
    ):
        raise archive_fault("is a tar archive with a header that cannot be read")
    name = _text(block[0:100])
    if magic == _POSIX and block[345]:
        name = _text(block[345:500]) + b"/" + name
    return TarHeader(block[156:157], name, _number(block[124:136]))


def _text(field: bytes) -> bytes:
    return field.split(b"\0", 1)[0]


def _number(field: bytes) -> int:
    """Octal digits, or as GNU tar writes what is too large for them: a first byte of 0x80, then binary."""
    if field[0] == _BINARY:
        return int.from_bytes(field[1:], "big")
    octal = _OCTAL.fullmatch(field)
    if octal is None:
        raise archive_fault("is a tar archive with a number that cannot be read")
    return int(octal[1] or b"0", 8)
