"""One file for all files of a request: sections behind each other, each as a file of its own."""

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundproof.api.jobs.spool import Section, Spool
from soundproof.errors import StoreUnavailable

unhurried = settings(deadline=None, derandomize=True)


@pytest.fixture
def spool() -> Iterator[Spool]:
    with closing(Spool()) as opened:
        yield opened


def section_of(spool: Spool, *pieces: bytes) -> Section:
    section = Section(spool)
    for piece in pieces:
        section.write(piece)
    return section


def test_a_section_begins_where_the_spool_ends_at_its_first_write(spool: Spool) -> None:
    early, late = Section(spool), Section(spool)
    early.write(b"ear")
    early.write(b"ly")
    late.write(b"late")
    assert (early.content(), late.content()) == (b"early", b"late")
    assert Section(spool).content() == b""


def test_only_the_last_section_grows(spool: Spool) -> None:
    first, _ = section_of(spool, b"first"), section_of(spool, b"second")
    with pytest.raises(ValueError, match="behind this one"):
        first.write(b"!")
    assert first.content() == b"first"


def test_what_is_dropped_gives_its_room_to_the_next(spool: Spool) -> None:
    section_of(spool, b"kept")
    dropped = section_of(spool, b"dropped")
    dropped.drop()
    dropped.drop()
    assert (spool.size, dropped.content()) == (4, b"")
    assert section_of(spool, b"next").content() == b"next"


@unhurried
@given(
    st.binary(max_size=50), st.lists(st.tuples(st.integers(-20, 60), st.sampled_from([0, 1, 2]), st.integers(-1, 70)))
)
def test_a_section_reads_and_seeks_as_a_file_of_its_own(content: bytes, steps: list[tuple[int, int, int]]) -> None:
    with closing(Spool()) as spool, tempfile.TemporaryFile() as oracle:
        section_of(spool, b"before")
        section = section_of(spool, content)
        section_of(spool, b"behind")
        oracle.write(content)
        for offset, whence, size in steps:
            try:
                position = oracle.seek(offset, whence)
            except (OSError, ValueError):
                with pytest.raises(OSError, match="before the beginning"):
                    section.seek(offset, whence)
                continue
            assert section.seek(offset, whence) == position
            assert section.read(size) == oracle.read(size)
            assert section.tell() == oracle.tell()


def test_nothing_is_allocated_from_a_files_word(spool: Spool) -> None:
    section = section_of(spool, b"short")
    section.seek(0)
    assert section.read(1 << 62) == b"short"


def test_a_closed_spool_is_of_no_use_to_whoever_still_works_on_it() -> None:
    spool = Spool()
    section = section_of(spool, b"x")
    spool.close()
    spool.close()
    for use in (section.content, lambda: section.write(b"y")):
        with pytest.raises(ValueError, match="closed file"):
            use()


def test_a_full_disk_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("needs /dev/full")
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: io.FileIO("/dev/full", "r+"))
    with closing(Spool()) as full, pytest.raises(StoreUnavailable, match="No space left"):
        section_of(full, b"x")
