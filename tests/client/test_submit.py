"""What a job is handed in as: files that are read while they are sent, a folder, an archive, a manifest."""

import json
import resource
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.client.made import tone
from tests.client.made_jobs import Service, job
from tests.client.test_client import parts

MIB = 1 << 20


@pytest.fixture(params=["sync", "async"])
def service(request: pytest.FixtureRequest) -> Service:
    return Service(request.param, [httpx.Response(202, json=job("queued"))])


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def sent(service: Service) -> dict[str, Any]:
    [request] = service.requests
    assert (request.method, request.url.path) == ("POST", "/jobs")
    return parts(request)


def test_clips_keep_the_names_that_they_are_given(service: Service, tmp_path: Path) -> None:
    write(tmp_path, "b/yes.wav")
    found = service(
        "submit", [tmp_path / "b" / "yes.wav", ("no/1.wav", tone()), ("c.wav", tmp_path / "b/yes.wav")], n=9
    )
    assert found.id == job()["id"]
    assert sent(service) == {
        "n": [(None, b"9")],
        "audio": [("yes.wav", b"b/yes.wav"), ("no/1.wav", tone()), ("c.wav", b"b/yes.wav")],
    }
    assert "idempotency-key" not in service.requests[0].headers


def test_the_idempotency_key_is_a_header(service: Service) -> None:
    service("submit", [("a.wav", b"")], idempotency_key="release-7")
    assert service.requests[0].headers["idempotency-key"] == "release-7"


def test_a_folder_is_its_files_without_those_of_the_system(service: Service, tmp_path: Path) -> None:
    write(tmp_path, "yes/b.wav", "yes/a.wav", "no/c.wav", ".DS_Store", ".git/config", "yes/._a.wav")
    service("submit", str(tmp_path))
    assert [name for name, _ in sent(service)["audio"]] == ["no/c.wav", "yes/a.wav", "yes/b.wav"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "manifest.csv",
            b"\xef\xbb\xbfpath,label\r\n./yes/a.wav,yes\r\nno/c.wav,no\r\nmissing.wav,no\r\n../out.wav,\r\n",
        ),
        (
            "manifest.jsonl",
            b'{"path": "yes/a.wav"}\n\n{"path": "no/c.wav", "n": 5}\n{"path": 7}\n{"path": "../out.wav"}\n',
        ),
    ],
)
def test_a_folders_own_manifest_says_which_of_its_files_are_sent(
    service: Service, tmp_path: Path, name: str, text: bytes
) -> None:
    suite = tmp_path / "suite"
    write(suite, "yes/a.wav", "yes/b.wav", "no/c.wav", "README")
    write(tmp_path, "out.wav")
    (suite / name).write_bytes(text)
    service("submit", suite)
    assert [clip for clip, _ in sent(service)["audio"]] == ["no/c.wav", "yes/a.wav"]
    [(_, manifest)] = sent(service)["manifest"]
    assert manifest.splitlines() == text.splitlines()


def test_a_manifest_that_is_given_takes_the_place_of_the_folders(service: Service, tmp_path: Path) -> None:
    write(tmp_path, "a.wav", "b.wav", "manifest.csv", "sub/manifest.csv")
    service("submit", tmp_path, manifest=[{"path": "a.wav", "label": "jä"}, {"path": "sub/manifest.csv"}])
    assert [clip for clip, _ in sent(service)["audio"]] == ["a.wav", "sub/manifest.csv"]
    [(_, manifest)] = sent(service)["manifest"]
    rows = [json.loads(row) for row in manifest.splitlines()]
    assert rows == [{"path": "a.wav", "label": "jä"}, {"path": "sub/manifest.csv"}]


@pytest.mark.parametrize("text", [b"file,label\na.wav,yes\n", b"{nonsense", b"\xff\xfe", b'path\n"a.wav'])
def test_a_folders_manifest_that_is_none_is_told_before_anything_is_sent(
    service: Service, tmp_path: Path, text: bytes
) -> None:
    write(tmp_path, "a.wav")
    (tmp_path / "manifest.csv").write_bytes(text)
    with pytest.raises(ValueError, match=r"cannot be read|decode"):
        service("submit", tmp_path)
    assert service.requests == []


def test_a_manifest_may_be_a_file_or_its_bytes(service: Service, tmp_path: Path) -> None:
    write(tmp_path, "list.csv")
    for manifest in (tmp_path / "list.csv", str(tmp_path / "list.csv"), b"list.csv"):
        service.requests.clear()
        service.answers = [httpx.Response(202, json=job())]
        service("submit", [("a.wav", b"")], manifest=manifest)
        assert sent(service)["manifest"] == [("manifest", b"list.csv")]


def test_an_archive_is_sent_as_one(service: Service, tmp_path: Path) -> None:
    write(tmp_path, "clips.tar.gz")
    service("submit", tmp_path / "clips.tar.gz", label="yes")
    assert sent(service) == {"label": [(None, b"yes")], "archive": [("clips.tar.gz", b"clips.tar.gz")]}


def test_a_job_without_clips_is_not_sent(service: Service, tmp_path: Path) -> None:
    nothing: tuple[Path | list[str], ...] = (tmp_path, [])
    for clips in nothing:
        with pytest.raises(ValueError, match="no clip"):
            service("submit", clips)
    assert service.requests == []


def test_an_upload_is_neither_in_memory_nor_open_as_a_whole(service: Service, tmp_path: Path) -> None:
    count, size = 400, MIB // 4
    for i in range(count):
        (tmp_path / f"{i:03}.wav").write_bytes(bytes([i % 256]) * size)
    with (tmp_path / "large.wav").open("wb") as large:
        large.truncate(64 * MIB)
    received = {"bytes": 0}

    def receive(request: httpx.Request) -> httpx.Response:
        assert int(request.headers["content-length"]) == received["bytes"]
        return httpx.Response(202, json=job())

    # MockTransport reads the whole request: what is sent is counted before.
    class Counting(httpx.MockTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            assert isinstance(request.stream, httpx.SyncByteStream)
            received["bytes"] = sum(map(len, request.stream))
            return receive(request)

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            assert isinstance(request.stream, httpx.AsyncByteStream)
            async for piece in request.stream:
                received["bytes"] += len(piece)
            return receive(request)

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(200, hard), hard))
    tracemalloc.start()
    try:
        service.transport = Counting
        service("submit", tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert received["bytes"] > count * size + 64 * MIB
    assert peak < 16 * MIB


def test_clips_may_come_from_a_generator(service: Service) -> None:
    def clips() -> Iterator[tuple[str, bytes]]:
        yield "a.wav", b"1"
        yield "b.wav", b"2"

    service("submit", clips())
    assert sent(service)["audio"] == [("a.wav", b"1"), ("b.wav", b"2")]
