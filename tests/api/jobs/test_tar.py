"""The tar reader against Python's own, on archives that are sound; and on bytes that are not."""

import io
import tarfile

import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from tests.api.jobs.archives import END, FILE, header, pax, record, tar_of

from soundproof.api.jobs.budget import Budget
from soundproof.api.jobs.name import BadName, clip_name
from soundproof.api.jobs.tar_members import tar_members

unhurried = settings(deadline=None, derandomize=True)

FORMATS = st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])


def good(name: str) -> bool:
    try:
        return clip_name(name) == name
    except BadName:
        return False


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=200).filter(good)


def read(content: bytes, most: int = 1000) -> list[tuple[str, bytes]]:
    budget = Budget(packed_bytes=len(content), most_bytes=1 << 20, ratio=10)
    return [(each.name, b"".join(each.chunks)) for each in tar_members(io.BytesIO(content), budget, most)]


@unhurried
@given(st.dictionaries(NAMES, st.binary(max_size=1500), max_size=5), FORMATS)
def test_it_reads_what_pythons_own_reads(files: dict[str, bytes], kind: int) -> None:
    content = tar_of(files, kind)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = archive.getmembers()
        oracle = [(member.name, archive.extractfile(member).read()) for member in members]  # type: ignore[union-attr]
    assert read(content) == oracle == list(files.items())


@unhurried
@given(st.data())
def test_of_an_archive_that_was_damaged_it_reads_what_was_there_or_refuses(data: st.DataObject) -> None:
    content = bytearray(tar_of({"a.wav": b"1" * 600, "é" * 60 + ".wav": b"2"}, data.draw(FORMATS)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    try:
        members = read(bytes(content))
    except (RequestValidationError, HTTPException):
        return
    assert all(good(name) for name, _ in members)


@unhurried
@given(st.integers(0, 40))
def test_an_archive_that_is_cut_short_is_never_taken_for_a_shorter_one(blocks: int) -> None:
    content = tar_of({"a.wav": b"1" * 600, "b.wav": b"2" * 600})
    whole = content.rindex(b"2") // 512 + 1
    cut = content[: 512 * min(blocks, whole)]
    with pytest.raises(RequestValidationError):
        read(cut)


def test_a_member_that_nobody_takes_is_passed_over() -> None:
    content = tar_of({"a.wav": b"1" * 70_000, "b.wav": b"2"})
    budget = Budget(packed_bytes=len(content), most_bytes=1 << 20, ratio=10)
    assert [member.name for member in tar_members(io.BytesIO(content), budget, 10)] == ["a.wav", "b.wav"]


def test_numbers_too_large_for_octal_digits_are_read() -> None:
    size = b"\x80" + (700).to_bytes(11, "big")
    assert read(header(b"a.wav", b"0", size) + b"x" * 700 + bytes(324) + END) == [("a.wav", b"x" * 700)]


def test_a_pax_header_stands_above_the_plain_one() -> None:
    content = pax(record(b"path", "é.wav".encode()), record(b"size", b"2")) + header(b"a.wav", b"0", 0)
    assert read(content + b"hi" + bytes(510) + END) == [("é.wav", b"hi")]


def test_a_name_of_the_older_kind_has_no_prefix() -> None:
    block = bytearray(header(b"a.wav", b"0", 0, magic=b"ustar  \x00"))
    block[345:348] = b"123"  # the time of an access, where POSIX has the first part of the name
    block[148:156] = b"%06o\0 " % (sum(block) - sum(block[148:156]) + 256)
    assert read(bytes(block) + END) == [("a.wav", b"")]


@pytest.mark.parametrize("most", [1, 2])
def test_all_headers_count(most: int) -> None:
    with pytest.raises(HTTPException, match="more than"):
        read(pax(record(b"mtime", b"1")) + FILE + FILE + END, most)
    assert len(read(pax(record(b"mtime", b"1")) + FILE + FILE + END, 3)) == 2
