"""Archives as no honest tool writes them, and more than may be unpacked: all refused whole, with the reason."""

import bz2
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.api.attack import form
from tests.api.jobs.archives import END, FILE, header, pax, record, tar_of, tar_of_entry, tgz_of, zip_of, zip_of_entry
from tests.api.jobs.handing_in import CLIP, LIMITS, answer, archive, refusal

unhurried = settings(deadline=None, derandomize=True, max_examples=300)

Pack = Callable[[dict[str, bytes]], bytes]

SOUND = {"a.wav": CLIP, "b.wav": CLIP[::-1]}
ZIP, TAR, TGZ = zip_of(SOUND), tar_of(SOUND), tgz_of(SOUND)


def changed(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def overlapping() -> bytes:
    """The first of two stored entries has become so long that it ends within the second."""
    content = zip_of({"a.wav": b"x", "b.wav": b"x"}, zipfile.ZIP_STORED)
    data, second = 30 + len("a.wav"), content.index(b"PK\x03\x04", 1)
    size = second + 10 - data
    return changed(content, content.index(b"PK\x01\x02") + 20, struct.pack("<LL", size, size))


def outside() -> bytes:
    """The directory says that it begins later than it does, so that its entries begin before the archive."""
    offset = struct.unpack("<L", ZIP[-6:-2])[0]
    return changed(ZIP, len(ZIP) - 6, struct.pack("<L", offset + 1000))


def method(number: int) -> bytes:
    directory = ZIP.index(b"PK\x01\x02")
    return changed(changed(ZIP, 8, struct.pack("<H", number)), directory + 10, struct.pack("<H", number))


def encrypted(bit: int) -> bytes:
    directory = ZIP.index(b"PK\x01\x02")
    return changed(ZIP, directory + 8, struct.pack("<H", bit))


def lying_size(size: int) -> bytes:
    directory = ZIP.index(b"PK\x01\x02")
    return changed(ZIP, directory + 24, struct.pack("<L", size))


UNKNOWN = "is neither zip nor tar nor tar.gz"
NO_ZIP = "is a zip file that cannot be read"
SPECIAL = {
    "fifo": (stat.S_IFIFO, "is a link or a device"),
    "link": (stat.S_IFLNK, "is a link or a device"),
    "device": (stat.S_IFCHR, "is a link or a device"),
}
ZIPS = {
    "empty": (zip_of({}), "has no clips"),
    "only hidden": (zip_of({".a": b"x", "d/": b""}), "has no clips"),
    "cut": (ZIP[:-30], NO_ZIP),
    "only its head": (ZIP[:20], NO_ZIP),
    "same name": (zip_of({"a.wav": b"x", "./a.wav": b"y"}), "two files named 'a.wav'"),
    "before the archive": (outside(), "begins before the archive"),
    "bzip2": (zip_of(SOUND, zipfile.ZIP_BZIP2), "is packed by method 12"),
    "lzma": (zip_of(SOUND, zipfile.ZIP_LZMA), "is packed by method 14"),
    "deflate64": (method(9), "is packed by method 9"),
    "unknown method": (method(93), "is packed by method 93"),
    "encrypted": (encrypted(0x1), "'a.wav' is encrypted"),
    "strongly encrypted": (encrypted(0x40), "'a.wav' is encrypted"),
    "encrypted directory": (encrypted(0x2000), "'a.wav' is encrypted"),
    "patched": (encrypted(0x20), NO_ZIP),
    "overlapping": (overlapping(), "overlaps another entry"),
    "longer than it says": (lying_size(3), NO_ZIP),
    "shorter than it says": (lying_size(1000), NO_ZIP),
    "other content": (changed(ZIP, 60, b"\xff\xff\xff"), NO_ZIP),
    "other local name": (changed(ZIP, 30, b"z"), NO_ZIP),
    "NUL in the name": (ZIP.replace(b"a.wav", b"a\0wav"), "has a control character"),
    "huge directory": (changed(ZIP, len(ZIP) - 10, b"\xff\xff\xff\xff"), NO_ZIP),
    **{kind: (zip_of_entry("a", external_attr=mode << 16), why) for kind, (mode, why) in SPECIAL.items()},
}
TARS = {
    "hard link": (tar_of_entry("a.wav", tarfile.LNKTYPE, link="/etc/passwd"), "is a link"),
    "symbolic link": (tar_of_entry("a.wav", tarfile.SYMTYPE, link="../x"), "is a link"),
    "hidden link": (tar_of_entry(".a", tarfile.SYMTYPE, link="../x"), "is a link"),
    "long link": (tar_of_entry("a.wav", tarfile.SYMTYPE, link="x" * 300), "is a link"),
    "device": (tar_of_entry("a.wav", tarfile.CHRTYPE), "is a device"),
    "block device": (tar_of_entry("a.wav", tarfile.BLKTYPE), "is a device"),
    "pipe": (tar_of_entry("a.wav", tarfile.FIFOTYPE), "is a pipe"),
    "sparse of GNU": (header(b"a", b"S", 0) + END, "is a sparse file"),
    "sparse 0.1": (pax(record(b"GNU.sparse.map", b"0,1")) + FILE + END, "has a sparse file"),
    "sparse 1.0": (pax(record(b"GNU.sparse.major", b"1")) + FILE + END, "has a sparse file"),
    "unknown kind": (header(b"a", b"V", 0) + END, "is of an unknown kind"),
    "same name": (FILE + FILE + END, "two files named 'a.wav'"),
    "name of all": (pax(record(b"path", b"b"), kind=b"g") + FILE + END, "gives all its files one name"),
    "no clips": (header(b"d/", b"5", 0) + END, "has no clips"),
    "NUL in the name": (pax(record(b"path", b"a\0b")) + FILE + END, "has a control character"),
    "cut header": (TAR[:300], "ends early"),
    "cut content": (FILE[:513], "ends early"),
    "cut padding": (FILE[:600], "ends early"),
    "no end": (FILE, "ends early"),
    "bad second header": (FILE + b"x" * 512, "with a header that cannot be read"),
    "bad checksum": (changed(FILE, 0, b"b") + END, "with a header that cannot be read"),
    "negative size": (header(b"a", b"0", b"\xff" * 12) + END, "with a number that cannot be read"),
    "no size": (header(b"a", b"0", b"12x456789012") + END, "with a number that cannot be read"),
    "endless size": (header(b"a", b"0", b"\x80" + b"\xff" * 11) + END, "ends early"),
    "giant pax header": (header(b"p", b"x", 1 << 33) + END, "has a header of more than 65,536 bytes"),
    "giant long name": (header(b"p", b"L", 1 << 33) + END, "has a header of more than 65,536 bytes"),
    "pax of many records": (pax(b"4 =\n" * 65) + FILE + END, "has a pax header of more than 64 records"),
    "pax of digits": (pax(b"1" * 60_000) + FILE + END, "has a pax header that cannot be read"),
    "pax of nothing": (pax(b"0 a=b\n") + FILE + END, "has a pax header that cannot be read"),
    "pax with no key": (pax(b"7 abcd\n") + FILE + END, "has a pax header that cannot be read"),
    "pax that is cut": (pax(b"99 path=b\n") + FILE + END, "has a pax header that cannot be read"),
    "pax with a negative size": (pax(record(b"size", b"-512")) + FILE + END, "with a size that is none"),
    "pax with a long size": (pax(record(b"size", b"9" * 5000)) + FILE + END, "with a size that is none"),
    "many long names": (header(b"p", b"L", 0) * 3000 + FILE + END, "has more than 1,080 entries"),
}
PACKED = {
    "cut": (TGZ[:-20], "is a gzip file that ends early"),
    "cut checksum": (TGZ[:-1], "is a gzip file that ends early"),
    "bad checksum": (changed(TGZ, len(TGZ) - 8, b"\0\0\0\0"), "is a gzip file that cannot be read"),
    "damaged": (changed(TGZ, 40, b"\xff\xff\xff\xff\xff"), "is a gzip file that cannot be read"),
    "twice": (TGZ + TGZ, "with something behind its end"),
    "no tar": (gzip.compress(CLIP * 2), "with a header that cannot be read"),
    "endless name": (b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 100_000, "is a gzip file that ends early"),
}
OTHERS = {
    "nothing": (b"", UNKNOWN),
    "a WAV": (CLIP, f"{UNKNOWN} but a WAV file; send it as audio"),
    "xz": (lzma.compress(TAR), f"{UNKNOWN} but xz"),
    "bzip2": (bz2.compress(TAR), f"{UNKNOWN} but bzip2"),
    "zeros": (bytes(10_240), UNKNOWN),
    "zlib": (zlib.compress(TAR), UNKNOWN),
}
ALL = {
    f"{kind}: {name}": case
    for kind, cases in {"zip": ZIPS, "tar": TARS, "tar.gz": PACKED, "": OTHERS}.items()
    for name, case in cases.items()
}


@pytest.mark.parametrize("name", ALL)
async def test_it_is_refused_with_the_reason(name: str) -> None:
    content, reason = ALL[name]
    status, code = (413, "body_too_large") if "entries" in reason else (422, "invalid_request")
    assert reason in await refusal(archive(content), status=status, code=code)


BOMB = bytes(3_000_000)


@pytest.mark.parametrize(("pack", "name"), [(zip_of, "a.wav"), (tgz_of, "a.wav"), (tgz_of, ".hidden")])
async def test_a_bomb_is_told_by_what_comes_out_of_it(pack: Pack, name: str) -> None:
    detail = await refusal(archive(pack({name: BOMB, "b.wav": CLIP})), status=413, code="body_too_large")
    assert detail == "The archive unpacks to more than 10 times its own size."


@pytest.mark.parametrize("pack", [zip_of, tar_of, tgz_of])
async def test_more_than_may_be_unpacked_is_refused(pack: Pack) -> None:
    limits = replace(LIMITS, expanded_bytes=1500, expansion_ratio=2000)
    content = pack({"a.wav": bytes(800), "b.wav": bytes(800)})
    detail = await refusal(archive(content), limits=limits, status=413, code="body_too_large")
    assert detail == "The archive unpacks to more than 1,500 bytes."


@pytest.mark.parametrize("declared", [0, 10, 0xFFFF_FFF0])
async def test_a_bomb_that_lies_about_its_size_is_refused(declared: int) -> None:
    content = zip_of({"a.wav": BOMB})
    content = changed(content, content.index(b"PK\x01\x02") + 24, struct.pack("<L", declared))
    answered, taken = await answer(form(archive(content)))
    assert answered.status_code in (413, 422)
    assert not taken


@pytest.mark.parametrize("pack", [zip_of, tar_of, tgz_of])
async def test_more_files_than_a_job_may_have_are_refused(pack: Pack) -> None:
    content = pack({f"{number}.wav": b"x" for number in range(LIMITS.clips + 1)})
    assert "more than 20 clips" in await refusal(archive(content), status=413, code="body_too_large")


@pytest.mark.parametrize("pack", [zip_of, tar_of, tgz_of])
async def test_more_entries_than_clips_could_need_are_refused(pack: Pack) -> None:
    content = pack({f".{number}": b"" for number in range(LIMITS.entries + 1)})
    assert "more than 1,080 entries" in await refusal(archive(content), status=413, code="body_too_large")


@unhurried
@given(st.data())
async def test_whatever_is_done_to_an_archive_it_is_taken_or_refused(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from([ZIP, TAR, TGZ, zip_of(SOUND, zipfile.ZIP_STORED)])))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(content) - 1) | st.integers(max(0, len(content) - 200), len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    answered, taken = await answer(form(archive(bytes(content))))
    assert answered.status_code in (202, 413, 422), answered.text
    assert (answered.status_code == 202) == bool(taken)
