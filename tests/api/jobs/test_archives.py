"""Archives as honest tools write them: what becomes of their files."""

import gzip
import hashlib
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest
from tests.api.attack import part
from tests.api.jobs.archives import END, FILE, pax, record, tar_of, tar_of_entry, tgz_of, zip_of, zip_of_entry
from tests.api.jobs.handing_in import CLIP, LIMITS, archive, hand_in

from soundproof.api.jobs.sent import unpacked
from soundproof.api.jobs.spool import Section, Spool

FILES = {"z.wav": CLIP, "yes/a.wav": b"a", "empty.wav": b"", "notes.txt": b"no audio", "inner.zip": zip_of({"x": b"x"})}
KINDS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "deflated zip": zip_of,
    "stored zip": lambda files: zip_of(files, zipfile.ZIP_STORED),
    "pax tar": tar_of,
    "gnu tar": lambda files: tar_of(files, tarfile.GNU_FORMAT),
    "ustar tar": lambda files: tar_of(files, tarfile.USTAR_FORMAT),
    "tar.gz": tgz_of,
}


@pytest.fixture(params=KINDS)
def packed(request: pytest.FixtureRequest) -> bytes:
    content: bytes = KINDS[request.param](FILES)
    return content


async def test_every_file_is_a_clip_in_the_archives_order_and_no_archive_in_it_is_opened(packed: bytes) -> None:
    sent = await hand_in(archive(packed), part("label", "yes"))
    assert sent.names == list(FILES)
    assert sent.audio == list(FILES.values())
    assert {clip.label for clip in sent.job.clips} == {"yes"}


async def test_the_same_clips_are_the_same_content_however_they_are_packed(packed: bytes) -> None:
    assert (await hand_in(archive(packed))).job.content_sha256 == (
        await hand_in(archive(tar_of(FILES)))
    ).job.content_sha256


@pytest.mark.parametrize("kind", KINDS)
async def test_hidden_files_and_folders_are_no_clips(kind: str) -> None:
    files = {
        ".DS_Store": b"x",
        "yes/._a.wav": b"x",
        "__MACOSX/yes/._a.wav": b"x",
        ".git/b.wav": b"x",
        "./yes/a.wav": b"a",
    }
    assert (await hand_in(archive(KINDS[kind](files)))).names == ["yes/a.wav"]


async def test_folders_are_no_clips() -> None:
    zipped = zip_of({"./": b"", "yes/": b"", "yes/a.wav": b"a"})
    folder = tar_of_entry("./", tarfile.DIRTYPE)[:512] + tar_of_entry("yes", tarfile.DIRTYPE)[:512]
    old = tar_of_entry("no/", tarfile.AREGTYPE)[:512]
    for content in (zipped, folder + old + tar_of({"yes/a.wav": b"a"})):
        assert (await hand_in(archive(content))).names == ["yes/a.wav"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_file_that_is_too_large_fails_alone_and_leaves_no_trace_in_the_others(kind: str) -> None:
    large = bytes(range(256)) * 300
    files = {"a.wav": CLIP, "large.wav": large, "z.wav": CLIP[::-1]}
    sent = await hand_in(archive(KINDS[kind](files)), limits=replace(LIMITS, expansion_ratio=2000))
    assert sent.audio == [CLIP, None, CLIP[::-1]]
    failed = sent.job.clips[1]
    assert failed.audio_sha256 == hashlib.sha256(large).hexdigest()
    assert failed.problem is not None
    assert failed.problem["code"] == "audio_too_long"


def test_only_what_is_kept_takes_room() -> None:
    with closing(Spool()) as spool:
        packed = Section(spool)
        packed.write(tar_of({"a.wav": b"aaa", ".hidden": b"x" * 500, "large.wav": bytes(200_000), "b.wav": b"bb"}))
        before = spool.size
        unpacked(packed, spool, replace(LIMITS, clip_bytes=100_000))  # more than comes at a time
        assert spool.size - before == 5


async def test_names_longer_than_a_plain_header_has_room_for() -> None:
    names = ["d" * 90 + "/" + "f" * 90 + ".wav", "e" * 251 + ".wav", "é" * 120 + ".wav"]
    for kind in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        assert (await hand_in(archive(tar_of(dict.fromkeys(names, b"x"), kind)))).names == names


async def test_a_zip_written_to_a_pipe_is_read() -> None:
    class Pipe(list[bytes]):
        def write(self, content: bytes) -> int:
            self.append(content)
            return len(content)

        def flush(self) -> None: ...

    written = Pipe()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as made:  # type: ignore[call-overload]
        for name, content in FILES.items():
            made.writestr(name, content)
    assert (await hand_in(archive(b"".join(written)))).audio == list(FILES.values())


async def test_a_little_silence_may_be_packed_to_almost_nothing() -> None:
    silent = {f"{number}.wav": bytes(1000) for number in range(LIMITS.clips)}
    content = gzip.compress(tar_of(silent))
    assert len(content) * LIMITS.expansion_ratio < 1000 * LIMITS.clips
    assert len((await hand_in(archive(content))).names) == LIMITS.clips


async def test_what_else_is_said_of_a_file_changes_nothing() -> None:
    said = {"SCHILY.xattr.user.origin": "1 path=../x.wav", "mtime": "1e5", "uid": "-1", "comment": "x" * 5000}
    described = pax(*(record(keyword.encode(), value.encode()) for keyword, value in said.items()))
    of_all = pax(record(b"comment", b"the commit, of git archive"), kind=b"g")
    zipped = zip_of_entry("a.wav", external_attr=0o100644 << 16)
    for content in (described + FILE + END, of_all + FILE + END, zipped):
        assert (await hand_in(archive(content))).names == ["a.wav"]
