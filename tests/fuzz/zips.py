"""Zip archives put together from bytes, with right checksums and lies elsewhere. Layout: PKWARE, APPNOTE.TXT 6.3."""

import struct
import zlib

NAMES = (b"a.wav", b"./a.wav", b"b/c.wav", b"d/", b".x", b"__MACOSX/a", b"../e", b"/f", b"g\\h", b"\xff", b"\xc3\xa9")
# What a field may say beside the truth.
LIES = (0, 1, 0xFF, 0xFFFF, 0xFFFF_FFFE, 0xFFFF_FFFF, 0x8000_0000)
_END = b"PK\x05\x06"


class Source:
    """Numbers from bytes, zeros when these are used up."""

    def __init__(self, data: bytes) -> None:
        self._rest = data

    def number(self, size: int = 1) -> int:
        taken, self._rest = self._rest[:size], self._rest[size:]
        return int.from_bytes(taken, "little")

    def content(self, size: int) -> bytes:
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def said(self, truth: int) -> int:
        """The truth, mostly."""
        choice = self.number()
        if choice < 0xC0:
            return truth
        if choice < 0xE0:
            return (truth + choice - 0xD0) % (1 << 32)
        return LIES[choice % len(LIES)]


def assembled(data: bytes) -> bytes:
    """Up to 8 entries, a directory and its end, of which every field may lie."""
    source = Source(data)
    body, directory = b"", b""
    for _ in range(source.number() % 8):
        local, central = _entry(source, len(body))
        body += local
        directory += central
    entries = directory.count(b"PK\x01\x02")
    count, size, start = (
        min(source.said(entries), 0xFFFF),
        source.said(len(directory)),
        source.said(len(body)),
    )
    comment = source.content(source.number() % 32)
    end = _END + struct.pack("<HHHHLLH", 0, 0, count, count, size, start, len(comment)) + comment
    zip64 = b""
    if source.number() % 4 == 3:
        record = struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, entries, entries, source.said(len(directory)), start)
        at = source.said(len(body) + len(directory))
        zip64 = b"PK\x06\x06" + record + b"PK\x06\x07" + struct.pack("<LQL", 0, at, source.said(1))
    whole = body + directory + zip64 + end
    return whole if whole.startswith(b"PK\x03\x04") else b"PK\x03\x04" + whole


def _entry(source: Source, at: int) -> tuple[bytes, bytes]:
    """One entry: its header with its content, and its line in the directory. `at`: where it begins."""
    name = NAMES[source.number() % len(NAMES)] if source.number() < 0xC0 else source.content(source.number() % 32)
    content = source.content(source.number()) * (1 + source.number() % 64)
    flags = 0x800 if source.number() < 0xC0 else source.number(2)
    method = 8 if source.number() % 2 else 0
    said = method if source.number() < 0xE0 else source.number(2)
    packed = content
    if method:
        deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
        packed = deflate.compress(content) + deflate.flush()
    extra = source.content(source.number() % 32) if source.number() >= 0xC0 else b""
    crc = source.said(zlib.crc32(content))
    sizes = source.said(len(packed)), source.said(len(content))
    fields = struct.pack("<HHHHHLLL", 20, flags, said, 0, 0, crc, *sizes)
    local = b"PK\x03\x04" + fields + struct.pack("<HH", len(name), len(extra)) + name + extra + packed
    attributes = source.number(2) << 16
    where = source.said(at)
    lengths = struct.pack("<HHHHHLL", len(name), len(extra), 0, source.number() & 1, 0, attributes, where)
    return local, b"PK\x01\x02" + struct.pack("<H", 20) + fields + lengths + name + extra
