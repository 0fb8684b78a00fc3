"""The service as `soundproof serve` starts it, on 127.0.0.1, and a request to it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psutil
from tests.bench.case import ROOT, YES

LIMIT_S = 1800  # for one request
DRAWN = {"Cache-Control": "no-store"}  # nothing is answered from the store


@contextmanager
def running(**settings: str) -> Iterator[tuple[psutil.Process, httpx.Client, float]]:
    """The service, ready: its process, a client, and the seconds it took. `settings`: variables of its environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = (
        os.environ
        | {"SOUNDPROOF_PORT": str(port), "SOUNDPROOF_LOG_LEVEL": "warning", "SOUNDPROOF_STORE": ""}
        | settings
    )
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "soundproof", "serve"], cwd=ROOT, env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=LIMIT_S, headers=DRAWN) as client:
            wait_until(lambda: client.get("/readyz").is_success, process)
            yield psutil.Process(process.pid), client, time.perf_counter() - started
    finally:
        process.terminate()
        process.wait(30)


def wait_until(ready: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise ChildProcessError(f"the service ended: exit status {process.returncode}")
        try:
            if ready():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError("the service did not get ready within 30 s")


def post(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    """The answer to one request, and the `seconds` it took."""
    started = time.perf_counter()
    answer = client.post("/certify", files={"audio": YES.read_bytes()}, data={k: str(v) for k, v in fields.items()})
    answer.raise_for_status()
    return {"seconds": time.perf_counter() - started, **answer.json()}
