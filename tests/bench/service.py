"""How fast the service is on this machine, and what it holds in memory, beside a plain Cohen-style loop.

    make bench        (python -m tests.bench.service [--requests 200])

Starts `soundproof serve` with the bundled models on 127.0.0.1, measures, prints Markdown. Nothing here asserts.
"""

import argparse
import statistics
import threading
import time

import httpx
import psutil
from tests.bench import cohen
from tests.bench.case import MIB, MODEL, MODELS, N0, SIGMA, Case, N, waveform
from tests.bench.machine import described
from tests.bench.server import post, running

from soundproof.nets.manifest import read_manifest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200, help="small requests for the memory figures")
    requests = parser.parse_args().requests
    print(f"{described()}\n")
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
    """Seconds of one certification."""
    manifest, network = read_manifest(MODELS / MODEL), cohen.plain_network(MODELS / MODEL)
    x, classes = waveform(manifest), len(manifest.classes)
    cohen.sample(network, x, SIGMA, 500, classes)
    started = time.perf_counter()
    cohen.certify(network, x, Case(), classes)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
