"""Fixtures that several test packages share."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import torch
from tests.model_folders import RMS_GAIN, random_linear, write_linear
from tests.store.postgres_server import PostgresServer, binaries, postgres_server

ROOT = Path(__file__).parent.parent
BUNDLED = ROOT / "models" / "speech-commands-12"
YES = ROOT / "tests" / "clips" / "yes.wav"
BODY_DEADLINE_S = 2.0
SEED_KEY = "for tests only, and long enough for it"
TINY_SAMPLES = 400
SERVE = (sys.executable, "-m", "soundproof", "serve")
# There is no TLS here, and to load the system's certificates takes longer than a request.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True)
class Service:
    """A running `soundproof serve` of its own, on 127.0.0.1."""

    port: int
    pid: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, *, kept: bool = False) -> httpx.Client:
        """Its certificates are drawn every time they are asked for, unless `kept`."""
        headers = {} if kept else {"Cache-Control": "no-store"}
        return httpx.Client(base_url=self.url, timeout=120, verify=NO_CERTIFICATES, headers=headers)


@pytest.fixture(scope="session", autouse=True)
def _no_store_left_behind() -> Iterator[None]:
    """Services that name no store have one of their own, which ends with them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOUNDPROOF_STORE", "")
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_plugins() -> Iterator[None]:
    """pydantic would look for some in two hundred packages, in each of the hundreds of processes that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYDANTIC_DISABLE_PLUGINS", "__all__")
        yield


@pytest.fixture(scope="session", autouse=True)
def _interrupts_are_heard() -> None:
    """A shell that starts tests in its background has SIGINT ignored, and so would every process that they start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tests compute little at a time: to hand it to threads costs more than it saves, most of all on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny linear model, the default, and the bundled one."""
    folder = tmp_path_factory.mktemp("models")
    write_linear(folder / "a-tiny", *random_linear(TINY_SAMPLES, classes=3), gain=RMS_GAIN)
    (folder / BUNDLED.name).symlink_to(BUNDLED)
    return folder


@pytest.fixture(scope="session")
def service(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service as a user starts it, ready, with a short body deadline."""
    log = tmp_path_factory.mktemp("service") / "log"
    with serving(models, log, SOUNDPROOF_BODY_DEADLINE_S=str(BODY_DEADLINE_S)) as running:
        yield running


@contextmanager
def serving(
    models: Path, log: Path, *, port: int | None = None, program: Sequence[str] = SERVE, **environment: str
) -> Iterator[Service]:
    """A service of its own on these models, ready; `environment`: further settings."""
    port = port or free_port()
    settings = {"SOUNDPROOF_PORT": str(port), "SOUNDPROOF_MODELS": str(models), "SOUNDPROOF_SEED_KEY": SEED_KEY}
    with log.open("wb") as sink:
        process = subprocess.Popen(
            program,
            env=os.environ | settings | environment,
            stdout=sink,
            stderr=sink,
        )
    try:
        running = Service(port, process.pid, log)
        _wait_until_ready(running, process)
        yield running
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait_until_ready(service: Service, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    with service.client() as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                if client.get("/readyz").is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    pytest.fail(f"the service did not get ready:\n{service.log.read_text()}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, for as many databases as are wanted of it."""
    folder = binaries()
    if folder is None:
        pytest.skip("PostgreSQL is not installed here: apt-get install postgresql")
    with postgres_server(folder) as running:
        yield running
