"""The models folder as it is read: what is served, what is not, and what a later reading may change."""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.api.publishing import broken, publish, switch
from tests.conftest import BUNDLED

from soundproof.api.catalog import Catalog
from soundproof.api.metrics import Metrics
from soundproof.api.registry import Registry
from soundproof.engine.admission import Limits
from soundproof.engine.pool import Pool
from soundproof.engine.slot import Share
from soundproof.errors import ModelRefused, ModelUnavailable, UnknownModel
from soundproof.nets.manifest import MANIFEST


@pytest.fixture
def registry(tmp_path: Path) -> Callable[..., Registry]:
    """Makes a registry of the models below tmp_path, with a pool whose workers were never started."""

    def made(default: str = "") -> Registry:
        metrics = Metrics()
        limits = Limits(runs=1, cost=1, audio_bytes=1)
        pool = Pool(devices=("cpu",), limits=limits, observer=metrics, share=Share(model_memory_bytes=1 << 20))
        return Registry(tmp_path, default, pool, metrics)

    return made


def served(catalog: Catalog) -> dict[str, str]:
    return {name: entry.manifest.version for name, entry in catalog.entries.items()}


def test_every_folder_with_a_manifest_is_read_but_hidden_ones(tmp_path: Path) -> None:
    publish(tmp_path / "a", 1)
    publish(tmp_path / "b", 1)
    (tmp_path / "b").rename(tmp_path / ".b-on-its-way")
    (tmp_path / "no model").mkdir()
    catalog = Catalog.read(tmp_path)
    assert served(catalog) == {"a": "1"}
    assert catalog.refused == {}
    [source] = catalog.sources
    assert source.size_bytes == (tmp_path / "a" / "weights.safetensors").stat().st_size


def test_of_two_folders_of_one_name_the_first_is_served(tmp_path: Path) -> None:
    publish(tmp_path / "x-2", 2, name="x")
    publish(tmp_path / "x-1", 1, name="x")
    catalog = Catalog.read(tmp_path)
    assert served(catalog) == {"x": "1"}
    assert catalog.refused == {"x-2": "x-1 is named 'x' too."}


async def test_a_new_folder_does_not_take_over_the_name_of_a_model_that_is_served(
    tmp_path: Path, registry: Callable[..., Registry]
) -> None:
    publish(tmp_path / "speech-v1", 1, name="speech")
    served_now = registry()
    publish(tmp_path / "aaa", 2, name="speech")
    publish(tmp_path / "speech", 3)
    assert (await served_now.reload()).result == "partial"
    assert served(served_now.catalog) == {"speech": "1"}
    assert served_now.catalog.refused == dict.fromkeys(("aaa", "speech"), "speech-v1 is named 'speech' too.")
    publish(tmp_path / "speech-v1", 4, name="speech")  # in the folder that is served
    await served_now.reload()
    assert served(served_now.catalog) == {"speech": "4"}
    (tmp_path / "speech-v1").rename(tmp_path / "speech-v4")  # the same version by another name
    await served_now.reload()
    assert served(served_now.catalog) == {"speech": "4"}
    assert served(Catalog.read(tmp_path)) == {"speech": "3"}  # at a start the folder of that name


async def test_a_broken_folder_that_is_still_served_does_not_lose_its_name(
    tmp_path: Path, registry: Callable[..., Registry]
) -> None:
    for version in (1, 2):
        publish(tmp_path / ".store" / f"x-{version}", version, name="x")
    broken(tmp_path / ".store" / "x-2")
    switch(tmp_path / "x", tmp_path / ".store" / "x-1")
    served_now = registry()
    switch(tmp_path / "x", tmp_path / ".store" / "x-2")
    publish(tmp_path / "aaa", 3, name="x")
    assert (await served_now.reload()).result == "partial"
    assert served(served_now.catalog) == {"x": "1"}
    assert "digest" in served_now.catalog.entries["x"].kept
    assert served_now.catalog.refused == {"aaa": "x is named 'x' too."}


async def test_folder_names_are_shown_without_control_characters_and_other_bytes(
    tmp_path: Path, registry: Callable[..., Registry]
) -> None:
    publish(tmp_path / "a", 1)
    for name in (b"b\xff", b"b\xfe", b"c\x1b[2J\n"):
        place = tmp_path / os.fsdecode(name)
        place.mkdir()
        (place / MANIFEST).write_text('{"\\u0007": 1}')
    publish(tmp_path / "d", 2, name="a")
    (tmp_path / "d").rename(tmp_path / os.fsdecode(b"\xff"))
    (tmp_path / "DEFAULT").write_bytes(b"a \n")
    served_now = registry()
    assert served_now.catalog.refused.keys() == {"b\ufffd", "c\ufffd[2J ", "\ufffd"}  # two of them shown as one
    (tmp_path / "DEFAULT").write_bytes(b"\xff")
    rejected = await served_now.reload()
    assert rejected.result == "rejected"
    everything = rejected.reason + " ".join(f"{name} {why}" for name, why in served_now.catalog.refused.items())
    assert everything.isprintable()
    assert everything.encode()


async def test_a_reload_that_waits_for_a_trial_keeps_no_request_from_its_successor(
    tmp_path: Path, registry: Callable[..., Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("x", "y"):
        publish(tmp_path / name, 1)
    served_now = registry()
    trying, end = asyncio.Event(), asyncio.Event()

    async def try_out(*_: object, **__: object) -> bool:
        trying.set()
        await end.wait()
        return True

    monkeypatch.setattr(served_now._pool, "try_out", try_out)
    monkeypatch.setattr(served_now._pool, "standing", SimpleNamespace(holders=lambda _: ("cpu",)))
    publish(tmp_path / "x", 2)
    reload = asyncio.create_task(served_now.reload())
    await trying.wait()
    publish(tmp_path / "y", 2)
    successor = await asyncio.wait_for(served_now.successor(served_now.catalog.entries["y"]), 20)
    assert successor is not None
    assert served(served_now.catalog) == {"x": "1", "y": "2"}
    end.set()
    await reload
    assert served(served_now.catalog)["x"] == "2"


def test_links_are_followed_once_and_dangling_ones_are_no_models(tmp_path: Path) -> None:
    publish(tmp_path / "store" / "x-1", 1, name="x")
    models = tmp_path / "models"
    models.mkdir()
    switch(models / "x", tmp_path / "store" / "x-1")
    (models / "gone").symlink_to(tmp_path / "nowhere")
    (models / "loop").symlink_to(models / "loop")
    catalog = Catalog.read(models)
    assert catalog.entries["x"].source.folder == tmp_path / "store" / "x-1"
    assert catalog.entries["x"].place == models / "x"
    assert catalog.refused == {}


def test_reasons_name_the_folder_but_not_where_it_lies(tmp_path: Path) -> None:
    publish(tmp_path / "bad", 1)
    broken(tmp_path / "bad")
    with pytest.raises(ModelRefused, match="bad: the digest of weights") as refused:
        Catalog.read(tmp_path)
    publish(tmp_path / "good", 1)
    assert str(tmp_path) not in str(refused.value)
    with pytest.raises(ModelUnavailable, match="'bad' was refused"):
        Catalog.read(tmp_path).get("bad")


async def test_a_reload_takes_up_new_changed_and_removed_models(
    tmp_path: Path, registry: Callable[..., Registry], caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b", "c"):
        publish(tmp_path / name, 1)
    served_now = registry()
    assert served_now.last_reload is None
    assert (await served_now.reload()).result == "unchanged"
    publish(tmp_path / "b", 2)
    publish(tmp_path / "0-first", 1)
    (tmp_path / "c" / MANIFEST).unlink()
    with caplog.at_level(logging.INFO, "soundproof.api"):
        assert (await served_now.reload()).result == "applied"
    assert served(served_now.catalog) == {"0-first": "1", "a": "1", "b": "2"}
    assert served_now.catalog.default == "0-first"  # as a restart would have it
    assert "the default model is 0-first now, no longer a" in caplog.text
    assert "model c is no longer served" in caplog.text
    with pytest.raises(UnknownModel):
        served_now.catalog.get("c")


async def test_a_reload_that_leaves_no_model_or_not_the_default_is_rejected(
    tmp_path: Path, registry: Callable[..., Registry]
) -> None:
    publish(tmp_path / "a", 1)
    publish(tmp_path / "b", 1)
    named, unnamed = registry("b"), registry()
    (tmp_path / "b" / MANIFEST).unlink()
    publish(tmp_path / "a", 2)
    rejected = await named.reload()
    assert rejected.result == "rejected"
    assert "'b' is not among a" in rejected.reason
    assert served(named.catalog) == {"a": "1", "b": "1"}
    assert (await unnamed.reload()).result == "applied"
    (tmp_path / "a" / MANIFEST).unlink()
    rejected = await unnamed.reload()
    assert rejected.result == "rejected"
    assert served(unnamed.catalog) == {"a": "2"}


async def test_a_broken_folder_keeps_the_version_whose_files_a_link_left_behind(
    tmp_path: Path, registry: Callable[..., Registry]
) -> None:
    models = tmp_path
    for version in (1, 2):
        publish(tmp_path / ".store" / f"x-{version}", version, name="x")
    broken(tmp_path / ".store" / "x-2")
    switch(models / "x", tmp_path / ".store" / "x-1")
    publish(models / "y", 1)
    served_now = registry()
    switch(models / "x", tmp_path / ".store" / "x-2")
    broken(models / "y")
    partial = await served_now.reload()
    assert partial.result == "partial"
    assert served(served_now.catalog) == {"x": "1"}  # of y nothing is left: no worker has it, and its files are gone
    assert "digest" in served_now.catalog.entries["x"].kept
    assert "digest" in served_now.catalog.refused["y"]


async def test_a_fault_while_reading_leaves_everything_as_it_is(
    tmp_path: Path, registry: Callable[..., Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path / "a", 1)
    served_now = registry()
    before = served_now.catalog
    with monkeypatch.context() as patched:
        patched.setattr("soundproof.api.registry.read_entries", lambda *_: 1 / 0)
        assert (await served_now.reload()).result == "rejected"
    assert served_now.catalog is before
    assert (await served_now.reload()).result == "unchanged"


async def test_the_watch_waits_until_the_folder_stays_the_same(
    tmp_path: Path, registry: Callable[..., Registry]
) -> None:
    publish(tmp_path / "a", 1)
    served_now = registry()
    look = asyncio.Semaphore(0)
    looked = asyncio.Semaphore(0)

    async def turn(_: float) -> None:
        looked.release()
        await look.acquire()

    async def next_look() -> None:
        look.release()
        await looked.acquire()

    watching = asyncio.create_task(served_now.watch(1.0, pause=turn))
    await looked.acquire()
    await next_look()
    assert served_now.last_reload is None
    publish(tmp_path / "a", 2)
    await next_look()
    assert served(served_now.catalog) == {"a": "1"}
    publish(tmp_path / "a", 3)  # still being written
    await next_look()
    assert served(served_now.catalog) == {"a": "1"}
    await next_look()
    assert served(served_now.catalog) == {"a": "3"}
    (tmp_path / "a" / MANIFEST).unlink()
    await next_look()
    await next_look()
    assert served_now.last_reload is not None
    rejected = served_now.last_reload
    assert rejected.result == "rejected"
    await next_look()
    assert served_now.last_reload is rejected  # not read again before it changes again
    publish(tmp_path / "a", 4)
    await next_look()
    await next_look()
    assert served(served_now.catalog) == {"a": "4"}
    watching.cancel()


def test_a_file_names_the_default_where_the_settings_do_not(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        publish(tmp_path / name, 1)
    assert Catalog.read(tmp_path).default == "a"
    (tmp_path / "DEFAULT").write_text("b\n")
    assert Catalog.read(tmp_path).default == "b"
    assert Catalog.read(tmp_path, "c").default == "c"
    (tmp_path / "DEFAULT").write_text("d\n")
    with pytest.raises(UnknownModel, match="'d' is not among a, b, c"):
        Catalog.read(tmp_path)


def test_the_bundled_models_name_theirs() -> None:
    assert Catalog.read(BUNDLED.parent).default == BUNDLED.name
