"""How long POST /certify takes under 1, 8 and 32 clients at once, and how long the service takes to recover.

    python -m tests.bench.latency [--rounds 3] [--cores 0] [--repeats 3]

Starts `soundproof serve` with the bundled model on 127.0.0.1, measures, prints Markdown. Every request is of a clip of
one second. `--rounds`: requests of each client, and at least 8 times as many in all; `--repeats`: of each recovery.
"""

import argparse
import os
import signal
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from tests.bench.load import clips, print_table, wait_until
from tests.bench.machine import described
from tests.bench.server import running

CLIENTS = (1, 8, 32)
SIGMA = 0.02
# What is asked for, and whether it may be answered from the store.
KINDS: dict[str, tuple[dict[str, Any], bool]] = {
    "n 200": ({"n": 200}, False),
    "a gate at 70 dB": ({"n": 10_000, "target_snr_db": 70}, False),
    "kept, asked again": ({"n": 200}, True),
}
STALL_S = 5.0
LONG_N = 3_000  # of the request that is under way when something is done to the service
NO_STORE, KEPT = {"Cache-Control": "no-store"}, {"Cache-Control": "max-age=0"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cores", type=int, default=0, help="that the worker computes on; 0: all")
    options = parser.parse_args()
    settings = {"SOUNDPROOF_CORES": str(options.cores), "SOUNDPROOF_WORKER_STALL_S": str(STALL_S)}
    print(f"{described()}; worker on {options.cores or os.cpu_count()} core(s)\n")
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{Path(folder, 'store.db')}"
        with running(SOUNDPROOF_STORE=store, **settings) as (process, client, _):
            latencies(str(client.base_url), options.rounds)
            rows = [recovery(process, client, signal.SIGKILL, options.repeats)]
            rows.append(recovery(process, client, signal.SIGSTOP, options.repeats))
        rows.append(ending(store, settings, options.repeats))
    print_table("recovery", [row for each in rows for row in each])


def latencies(url: str, rounds: int) -> None:
    print("| POST /certify | clients | requests | lost | p50, s | p99, s | least | most | a second |")
    print("|---|---|---|---|---|---|---|---|---|")
    sounds = list(clips(64, first=3_000_000))
    turns = count()
    for kind, (fields, kept) in KINDS.items():
        for clients in CLIENTS:
            each = max(rounds, -(-8 * rounds // clients)) * (10 if kept else 1)

            def asking(_: int, each: int = each, fields: Any = fields, kept: bool = kept) -> list[float]:
                return asked(url, each, lambda: sounds[0 if kept else next(turns) % len(sounds)], fields, kept)

            started = time.perf_counter()
            with ThreadPoolExecutor(clients) as threads:
                answers = [seconds for found in threads.map(asking, range(clients)) for seconds in found]
            elapsed = time.perf_counter() - started
            took = np.array([seconds for seconds in answers if seconds >= 0])
            figures = (np.median(took), np.quantile(took, 0.99), took.min(), took.max())
            columns = [kind, f"{clients}", f"{len(answers)}", f"{len(answers) - len(took)}"]
            columns += [f"{figure:.3f}" for figure in figures] + [f"{len(took) / elapsed:.2f}"]
            print(f"| {' | '.join(columns)} |", flush=True)
    print()


def asked(url: str, times: int, sound: Callable[[], bytes], fields: dict[str, Any], kept: bool) -> list[float]:
    """Seconds of each answer, one after another as a client of its own; negative for one that was none."""
    found = []
    with httpx.Client(base_url=url, timeout=600, headers=KEPT if kept else NO_STORE) as client:
        for _ in range(times):
            started = time.perf_counter()
            try:
                ok = certify(client, sound(), **fields).is_success
            except httpx.HTTPError:
                ok = False
            found.append(time.perf_counter() - started if ok else -1.0)
    return found


def recovery(process: psutil.Process, client: httpx.Client, how: signal.Signals, repeats: int) -> list[tuple[str, str]]:
    """From the signal to the worker until the first certificate that was asked for after it, with one under way."""
    survived, took = 0, []
    sounds = clips(2 * repeats, first=4_000_000)
    for _ in range(repeats):
        first, second = next(sounds), next(sounds)
        with ThreadPoolExecutor(1) as thread:
            before = drawn(client)
            long = thread.submit(certify, client, first, n=LONG_N)
            wait_until(lambda before=before: drawn(client) > before)  # type: ignore[misc]
            started = time.perf_counter()
            process.children()[0].send_signal(how)
            certify(client, second, n=200).raise_for_status()
            took.append(time.perf_counter() - started)
            survived += long.result().is_success
    what = {
        signal.SIGKILL: "SIGKILL of the worker",
        signal.SIGSTOP: f"SIGSTOP of the worker (replaced after {STALL_S:g} s)",
    }[how]
    return [
        (f"{what}: seconds to the first certificate asked for after it", listed(took)),
        ("requests under way that got their certificate", f"{survived} of {repeats}"),
    ]


def ending(store: str, settings: dict[str, str], repeats: int) -> list[tuple[str, str]]:
    """From SIGTERM to the end of the process, with a request and a job under way."""
    took, answered, handed_back = [], 0, 0
    sounds = clips(5 * repeats, first=5_000_000)
    for _ in range(repeats):
        with running(SOUNDPROOF_STORE=store, SOUNDPROOF_DRAIN_S="60", **settings) as (process, client, _):
            files = [("audio", (f"{number}.wav", next(sounds))) for number in range(4)]
            job = client.post("/jobs", files=files, data={"n": str(LONG_N)}).raise_for_status().json()["id"]
            with ThreadPoolExecutor(1) as thread:
                before = drawn(client)
                asked = thread.submit(certify, client, next(sounds), n=1_000)
                wait_until(lambda before=before: drawn(client) > before + 500)  # type: ignore[misc]
                started = time.perf_counter()
                process.terminate()
                answered += asked.result().is_success
                process.wait(120)
                took.append(time.perf_counter() - started)
        with running(SOUNDPROOF_STORE=store, **settings) as (_, client, _):
            handed_back += client.get(f"/jobs/{job}").json()["clips"]["total"] == len(files)
            client.delete(f"/jobs/{job}")
    return [
        ("SIGTERM with a request of n 1000 and a job under way: seconds to the end of the process", listed(took)),
        ("requests answered with their certificate / jobs found again", f"{answered} / {handed_back} of {repeats}"),
    ]


def certify(client: httpx.Client, sound: bytes, **fields: Any) -> httpx.Response:
    data = {name: str(value) for name, value in ({"sigma": SIGMA} | fields).items()}
    return client.post("/certify", files={"audio": sound}, data=data)


def drawn(client: httpx.Client) -> float:
    """Votes so far."""
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("soundproof_noise_samples_total{"))


def listed(seconds: list[float]) -> str:
    return f"{', '.join(f'{each:.1f}' for each in seconds)}"


if __name__ == "__main__":
    main()
