"""Mixed good and hostile load on a service for a while: is a request lost, does anything grow?

    python -m tests.bench.soak [--minutes 30] [--cores 1]

Starts `soundproof serve` with the bundled model on 127.0.0.1, asks it for everything at a bounded rate, kills its
worker now and then and stops it once in the first half of the time, and prints Markdown. Nothing here asserts.
"""

import argparse
import contextlib
import signal
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import psutil
from tests.bench.load import clips, print_table
from tests.bench.machine import described
from tests.bench.server import running
from tests.bench.soak_callers import Callers, again, spoken
from tests.bench.soak_ledger import GIVEN_UP, LOST, Ledger
from tests.bench.soak_watch import Watch

from soundproof.store.store import Store

SOUNDS = 40
KILLS = 4  # of the worker, in the first half; it is stopped once besides
SETTINGS = {
    "SOUNDPROOF_BODY_DEADLINE_S": "10",
    "SOUNDPROOF_UNREAD_S": "10",
    "SOUNDPROOF_WORKER_UNREADY_S": "10",
    "SOUNDPROOF_WORKER_STALL_S": "20",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--cores", type=int, default=1, help="that the worker computes on")
    options = parser.parse_args()
    seconds, ledger = options.minutes * 60, Ledger()
    faults: list[BaseException] = []
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder, 'store.db')}"
        with running(SOUNDPROOF_STORE=url, SOUNDPROOF_CORES=str(options.cores), **SETTINGS) as (process, client, _):
            callers = Callers((client.base_url.host, client.base_url.port or 80), [spoken(), *clips(SOUNDS)], ledger)
            watch = Watch(process, str(client.base_url), Path(folder))
            with watch.looking():
                soaked(callers, process, seconds, faults)
            states = settled(client, ledger)
            depth, told = figure(client, "soundproof_queue_depth"), problems(client)
        with Store(url) as store:
            tally, contradictions = store.conservation.tally(), store.conservation.faults()
    print(f"{described()}; {options.minutes:g} minutes, worker on {options.cores} core(s)\n")
    print_table(
        "requests",
        [
            ("sent", f"{ledger.sent:,}"),
            ("answered", f"{ledger.sent - ledger.of(LOST) - ledger.of(GIVEN_UP):,}"),
            ("left or broken off by us, as meant", f"{ledger.of(GIVEN_UP):,}"),
            ("**lost**: no whole answer although we waited", f"**{ledger.of(LOST)}**"),
            ("answered 5xx, but for /readyz", f"{ledger.faults}"),
            ("problems, as the service counted them", told),
            ("certifications in the queue after the end", f"{depth:g}"),
            ("faults of the callers themselves", f"{len(faults)}"),
        ],
    )
    live = np.array(watch.live_s) * 1000
    print_table(
        "jobs and probes",
        [
            ("jobs accepted / ended", f"{len(ledger.jobs)} / {sum(states.values())}"),
            ("how they ended", ", ".join(f"{state}: {count}" for state, count in sorted(states.items()))),
            ("clips accepted / accounted for", f"{tally.clips_accepted} / {tally.clips.total}"),
            ("contradictions in the store", f"{len(contradictions)}"),
            (
                f"/livez, {len(live):,} calls: p50, p99, most, ms",
                f"{np.median(live):.1f}, {np.quantile(live, 0.99):.1f}, {live.max():.0f}",
            ),
            ("/livez that failed", f"{watch.live_failures}"),
            ("workers killed / stopped", f"{KILLS} / 1"),
        ],
    )
    print("| after warm-up | at first | at last | least | most | slope an hour, least squares | robust |")
    print("|---|---|---|---|---|---|---|")
    for row in watch.rows():
        print(f"| {' | '.join(row)} |")
    print()
    print_table("by kind of request", ledger.rows())
    for line in [*ledger.losses, *(repr(fault) for fault in faults), *contradictions]:
        print(f"    {line}")


def soaked(callers: Callers, process: psutil.Process, seconds: float, faults: list[BaseException]) -> None:
    """All habits at once for so long; workers are ended in the first half."""
    over = threading.Event()
    habits = callers.habits()
    with ThreadPoolExecutor(len(habits)) as threads:
        for what, every_s in habits:
            threads.submit(again, what, every_s, over, faults)
        for blow in range(KILLS + 1):
            over.wait(seconds / 2 / (KILLS + 1))
            with contextlib.suppress(psutil.NoSuchProcess, IndexError):
                process.children()[0].send_signal(signal.SIGSTOP if blow == KILLS // 2 else signal.SIGKILL)
        over.wait(seconds / 2)
        over.set()


def settled(client: httpx.Client, ledger: Ledger) -> dict[str, int]:
    """How many jobs ended how; waits for those that are still open."""
    states: dict[str, int] = {}
    for job in ledger.jobs:
        deadline = time.monotonic() + 300
        while (state := client.get(f"/jobs/{job}").raise_for_status().json()["state"]) in ("queued", "running"):
            if time.monotonic() > deadline:
                break
            time.sleep(0.5)
        states[state] = states.get(state, 0) + 1
    return states


def figure(client: httpx.Client, name: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


def problems(client: httpx.Client) -> str:
    """By code."""
    found = []
    for line in client.get("/metrics").text.splitlines():
        if line.startswith("soundproof_problems_total{"):
            code, count = line.split('"')[1], float(line.rsplit(" ", 1)[1])
            found.append(f"{code}: {count:g}")
    return ", ".join(found)


if __name__ == "__main__":
    main()
