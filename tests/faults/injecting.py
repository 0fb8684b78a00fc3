"""Faults, done to a running service from outside."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.api.attack import GOOD, metric, wait_for
from tests.conftest import YES, Service

# Of a linear model of one second, at a noise under which every class gets votes: some seconds of work on one core.
LONG: dict[str, Any] = {"n": "4000", "sigma": "2"}


def worker_of(service: Service) -> psutil.Process:
    """Its worker, once there is one."""
    found: list[psutil.Process] = []

    def is_there() -> bool:
        found[:] = psutil.Process(service.pid).children()
        return len(found) == 1

    assert wait_for(is_there)
    return found[0]


def certify(client: httpx.Client, audio: bytes | None = None, **fields: Any) -> httpx.Response:
    """Few votes on a short clip, unless `fields` say otherwise."""
    data = {name: str(value) for name, value in ({"n": 200, "sigma": 0.01} | fields).items()}
    return client.post("/certify", files={"audio": ("a.wav", audio or GOOD)}, data=data)


def votes(service: Service) -> float:
    return metric(service, "soundproof_noise_samples_total")


@contextmanager
def under_way(service: Service, **fields: Any) -> Iterator["Future[httpx.Response]"]:
    """A long certification, of which some votes are in; its answer in the end."""
    before = votes(service)

    def ask() -> httpx.Response:
        with service.client() as client:
            return certify(client, YES.read_bytes(), **LONG | fields)

    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(ask)
        assert wait_for(lambda: votes(service) > before or asked.done())
        assert not asked.done(), asked.result().text
        yield asked


def readiness(client: httpx.Client) -> int:
    return client.get("/readyz").status_code


def ended(process: psutil.Process, within_s: float) -> bool:
    """Whether a process is gone, or a zombie that nobody has looked at."""
    return wait_for(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, within_s)


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[Path]:
    """A file system of so many MiB of its own; needs the right to mount one."""
    folder.mkdir()
    command = ["/bin/mount", "-t", "tmpfs", "-o", f"size={mib}m", "soundproof-test", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system (root)")
    try:
        yield folder
    finally:
        # Lazily: a service that still has it open does not keep it in the way.
        subprocess.run(["/bin/umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """No byte is left on that disk."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
    try:
        yield
    finally:
        filler.unlink()


def at_once(count: int, what: Callable[[int], Any]) -> list[Any]:
    """So many calls that start together, with their numbers; what they return."""
    together = threading.Barrier(count)

    def one(number: int) -> Any:
        together.wait(30)
        return what(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))
