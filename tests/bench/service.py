"""How fast the service is on this machine, and what it holds in memory, beside a plain Cohen-style loop.

    make bench        (python -m tests.bench.service [--requests 200])

Starts `soundproof serve` with the bundled models on 127.0.0.1, measures, prints Markdown. Nothing here asserts.
"""

import argparse
import os
import platform
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import torch
from tests.bench import cohen

from soundproof.audio import wav
from soundproof.audio.prepare import prepare
from soundproof.nets.manifest import read_manifest

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "speech-commands-12"
YES = ROOT / "tests" / "clips" / "yes.wav"
N0, N, SIGMA = 100, 10_000, 0.02
MIB = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200, help="small requests for the memory figures")
    requests = parser.parse_args().requests
    print(f"{processor()}, {os.cpu_count()} cores; torch {torch.__version__}; {platform.python_version()}\n")
    rows: list[tuple[str, str]] = []
    with running() as (process, client, ready_s):
        rows.append(("from start to ready", f"{ready_s:.1f} s"))
        post(client, n=1000)  # warm: the first blocks touch fresh memory
        alone = [post(client, seed=seed) for seed in range(3)]
        seconds = statistics.median(answer["seconds"] for answer in alone)
        rows.append((f"default request (n0 {N0}, n {N}), median of 3", f"{seconds:.1f} s"))
        rows.append(("votes a second", f"{(N0 + N) / seconds:.0f}"))
        rows += liveness(client)
        rows += memory(process, client, requests)
    peer_seconds = plain_loop()
    rows.append((f"plain Cohen-style loop, n0 {N0}, n {N}", f"{peer_seconds:.1f} s"))
    rows.append(("times faster than the plain loop", f"{peer_seconds / seconds:.1f}"))
    print("| measured | value |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")


@contextmanager
def running() -> Iterator[tuple[psutil.Process, httpx.Client, float]]:
    """The service, ready: its process, a client, and the seconds it took."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"SOUNDPROOF_PORT": str(port), "SOUNDPROOF_LOG_LEVEL": "warning"}
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "soundproof", "serve"], cwd=ROOT, env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600) as client:
            wait_until(lambda: client.get("/readyz").is_success)
            yield psutil.Process(process.pid), client, time.perf_counter() - started
    finally:
        process.terminate()
        process.wait(30)


def wait_until(ready: Callable[[], bool]) -> None:
    for _ in range(600):
        try:
            if ready():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError("the service did not get ready within 30 s")


def post(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    started = time.perf_counter()
    answer = client.post("/certify", files={"audio": YES.read_bytes()}, data={k: str(v) for k, v in fields.items()})
    answer.raise_for_status()
    return {"seconds": time.perf_counter() - started, **answer.json()}


def liveness(client: httpx.Client) -> list[tuple[str, str]]:
    """/livez while four certifications run."""
    load = [threading.Thread(target=post, args=(client,), kwargs={"n": 5000, "seed": 100 + i}) for i in range(4)]
    for thread in load:
        thread.start()
    latencies = []
    while any(thread.is_alive() for thread in load):
        started = time.perf_counter()
        client.get("/livez")
        latencies.append(time.perf_counter() - started)
        time.sleep(0.01)
    cuts = statistics.quantiles(latencies, n=1000)
    calls = f"of {len(latencies)} calls of /livez while 4 certifications run"
    return [(f"median {calls}", f"{1e3 * cuts[499]:.1f} ms"), (f"p99 {calls}", f"{1e3 * cuts[989]:.1f} ms")]


def memory(process: psutil.Process, client: httpx.Client, requests: int) -> list[tuple[str, str]]:
    """Resident memory of the API process and its worker, over many requests."""
    [worker] = process.children()
    marks = []
    for i in range(requests):
        post(client, n=200, seed=1000 + i)
        if i in (requests // 10, requests - 1):
            marks.append((i + 1, process.memory_info().rss / MIB, worker.memory_info().rss / MIB))
    return [
        (f"resident memory after {count} more requests, API / worker", f"{api:.0f} / {work:.0f} MiB")
        for count, api, work in marks
    ]


def plain_loop() -> float:
    manifest = read_manifest(MODEL)
    clip = wav.read(YES.read_bytes())
    x = prepare(
        clip, sample_rate_hz=manifest.sample_rate_hz, clip_samples=manifest.clip_samples, gain=manifest.gain
    ).x.float()
    network = cohen.plain_network(MODEL)
    cohen.sample(network, x, SIGMA, 500, len(manifest.classes))
    return cohen.certify(network, x, SIGMA, N0, N, len(manifest.classes))[1]


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
