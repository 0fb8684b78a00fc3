"""What a request leaves behind: nothing, however it ends; and how much it takes meanwhile: little."""

import asyncio
import gc
import threading
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import Request
from starlette.requests import ClientDisconnect
from tests.api.attack import BOUNDARY, form, part
from tests.api.jobs.archives import header, padded, tgz_of, zip_of
from tests.api.jobs.handing_in import CLIP, LIMITS, answer, archive, audio, hand_in

from soundproof.api.jobs import intake
from soundproof.api.jobs.intake import JobLimits, read_job
from soundproof.api.jobs.spool import Spool

OPEN = Path("/proc/self/fd")
MANY = JobLimits(clips=1000, clip_bytes=1 << 20, expanded_bytes=1 << 28, expansion_ratio=2000, samples=50_000)
CONTENT_TYPE = [(b"content-type", b"multipart/form-data; boundary=" + BOUNDARY)]


def request_of(pieces: Callable[[], Awaitable[dict[str, object]]]) -> Request:
    return Request({"type": "http", "method": "POST", "path": "/jobs", "headers": CONTENT_TYPE}, pieces)


def request_in(pieces: Iterator[bytes], *, ends: bool = True) -> Request:
    """A body in pieces; one that never `ends` is left by its sender."""

    async def receive() -> dict[str, object]:
        piece = next(pieces, None)
        if piece is None and not ends:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    return request_of(receive)


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """No file is open behind this that was not open before it."""
    if not OPEN.is_dir():
        pytest.skip("needs /proc")
    await hand_in(audio("a.wav"))  # whatever is opened once for all
    before = sorted(path.name for path in OPEN.iterdir())
    yield
    assert sorted(path.name for path in OPEN.iterdir()) == before


FORMS = {
    "parts": form(audio("a.wav"), audio("b.wav"), part("manifest", "path\na.wav", "m.csv")),
    "a large part": form(audio("a.wav", bytes(3 << 20)), audio("b.wav")),
    "zip": form(archive(zip_of({"a.wav": CLIP, "b.wav": CLIP}))),
    "tar.gz": form(archive(tgz_of({"a.wav": CLIP, "b.wav": CLIP}))),
    "a bomb": form(archive(zip_of({"a.wav": bytes(3 << 20)}))),
    "a cut archive": form(archive(tgz_of({"a.wav": CLIP, "b.wav": CLIP})[:-9])),
    "a cut form": form(audio("a.wav"), audio("b.wav"))[:-9],
    "no clips": form(part("n", "200")),
    "too many clips": form(*(audio(f"{number}.wav") for number in range(LIMITS.clips + 1))),
    "an unknown field": form(audio("a.wav"), part("sigmaa", "1")),
    "a file that is none": form(audio("a.wav"), part("n", b"2", "n.txt")),
    "a bad manifest": form(audio("a.wav"), part("manifest", "path\nz.wav")),
}


@pytest.mark.parametrize("name", FORMS)
async def test_no_answer_leaves_a_file_open(name: str) -> None:
    async with nothing_left():
        for _ in range(3):
            await answer(FORMS[name])


async def test_a_client_that_leaves_while_sending_leaves_nothing() -> None:
    async with nothing_left():
        for name in ("parts", "a large part", "zip"):
            pieces = iter([FORMS[name][:-30]])
            with pytest.raises(ClientDisconnect):
                async with read_job(request_in(pieces, ends=False), LIMITS):
                    pytest.fail("there is no job")


async def test_a_job_that_is_not_accepted_leaves_nothing() -> None:
    async with nothing_left():
        with pytest.raises(ZeroDivisionError):
            async with read_job(request_in(iter([FORMS["zip"]])), LIMITS):
                raise ZeroDivisionError


async def test_what_is_cancelled_while_it_is_unpacked_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    at_work, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    met: list[Exception] = []

    def unpack_late(form: object, spool: Spool, *_: object) -> None:
        at_work.set()
        go_on.wait(20)
        try:
            spool.append(b"x")
        except ValueError as error:
            met.append(error)
        ended.set()

    async def submit() -> None:
        async with read_job(request_in(iter([FORMS["zip"]])), LIMITS):
            pytest.fail("there is no job")

    async with nothing_left():
        with monkeypatch.context() as patched:
            patched.setattr(intake, "new_job", unpack_late)
            task = asyncio.create_task(submit())
            assert await asyncio.to_thread(at_work.wait, 20)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            go_on.set()
            assert await asyncio.to_thread(ended.wait, 20)
    assert len(met) == 1


async def test_only_so_many_are_unpacked_at_a_time() -> None:
    limits = replace(LIMITS)
    async with limits.unpacking, limits.unpacking:
        task = asyncio.create_task(hand_in(audio("a.wav"), limits=limits))
        while not limits.unpacking._waiters and not task.done():
            await asyncio.sleep(0)
        assert not task.done()
    assert (await task).names == ["a.wav"]


def in_parts(count: int, content: bytes) -> Iterator[bytes]:
    for number in range(count):
        yield b"--" + BOUNDARY + b"\r\n" + audio(f"{number}.wav", content) + b"\r\n"
    yield b"--" + BOUNDARY + b"--\r\n"


def in_tar(count: int, content: bytes) -> Iterator[bytes]:
    yield b"--" + BOUNDARY + b"\r\n" + part("archive", b"", "clips.tar")
    yield from tar(count, content)
    yield b"\r\n--" + BOUNDARY + b"--\r\n"


def in_tgz(count: int, content: bytes) -> Iterator[bytes]:
    packing = zlib.compressobj(wbits=31)
    yield b"--" + BOUNDARY + b"\r\n" + part("archive", b"", "clips.tgz")
    yield from map(packing.compress, tar(count, content))
    yield packing.flush() + b"\r\n--" + BOUNDARY + b"--\r\n"


def tar(count: int, content: bytes) -> Iterator[bytes]:
    for number in range(count):
        yield header(b"%d.wav" % number, b"0", len(content)) + padded(content)
    yield bytes(1024)


@pytest.mark.parametrize("sent", [in_parts, in_tar, in_tgz])
async def test_a_thousand_clips_are_never_in_memory(sent: Callable[[int, bytes], Iterator[bytes]]) -> None:
    content = bytes(64_000)
    request = request_in(sent(1000, content))
    gc.collect()  # what earlier tests left is not this one's
    tracemalloc.start()
    try:
        async with read_job(request, MANY) as job:
            total = sum(len(clip.audio()) for clip in job.clips)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total == 64_000_000
    assert peak < total / 4
