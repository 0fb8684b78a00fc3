"""Archives made in memory, sound and otherwise."""

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Mapping


def zip_of(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def zip_of_entry(name: str, content: bytes = b"x", **attributes: int) -> bytes:
    """One entry, of which zipfile lets everything be said."""
    entry = zipfile.ZipInfo(name)
    for attribute, value in attributes.items():
        setattr(entry, attribute, value)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(entry, content)
    return made.getvalue()


def tar_of(files: Mapping[str, bytes], kind: int = tarfile.PAX_FORMAT) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=kind) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mtime = 1.5  # which takes a pax header, where there are such
            archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def tar_of_entry(name: str, kind: bytes = tarfile.REGTYPE, *, link: str = "", content: bytes = b"") -> bytes:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size = kind, link, len(content)
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def tgz_of(files: Mapping[str, bytes]) -> bytes:
    return gzip.compress(tar_of(files))


def header(name: bytes, kind: bytes, size: bytes | int, magic: bytes = b"ustar\x0000") -> bytes:
    """A tar header of one's own making, with a checksum that is right."""
    digits = size if isinstance(size, bytes) else b"%011o\0" % size
    block = struct.pack("100s8s8s8s12s12s8sc100s8s", name, b"644", b"0", b"0", digits, b"0", b" " * 8, kind, b"", magic)
    block = block.ljust(512, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def pax(*records: bytes, kind: bytes = b"x") -> bytes:
    """An extended header with records as they are, right or wrong."""
    content = b"".join(records)
    return header(b"pax", kind, len(content)) + padded(content)


def record(keyword: bytes, value: bytes) -> bytes:
    """A right one."""
    rest = b" " + keyword + b"=" + value + b"\n"
    length = len(rest) + 1
    while length != len(rest) + len(b"%d" % length):
        length += 1
    return b"%d%b" % (length, rest)


FILE = header(b"a.wav", b"0", 1) + padded(b"x")
END = bytes(1024)
