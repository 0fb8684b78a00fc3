"""What tracing costs, on and off.

    python -m tests.bench.tracing

Off: the nanoseconds of every call that the service makes to the Tracing that tells nobody, and how many of them a
request makes. On against off: two services on this machine, one of them traced by a collector on 127.0.0.1, answer the
same request from the store in turns, so that what else the machine does falls on both; medians, and the median of the
differences of neighbours with a bootstrap interval. Prints Markdown; nothing here asserts.
"""

import asyncio
import statistics
import time
import timeit
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tests.api.observe.collector as fake
from tests.bench.case import ROOT, YES
from tests.bench.machine import cpu_s, described
from tests.bench.server import running

import soundproof.api.app as application
from soundproof.api.tracing import NO_SPAN, NO_TRACING, NoTracing, Span
from soundproof.secret_url import SecretUrl
from soundproof.settings import Settings

ROUNDS = 2000
CALLS = 200_000
FIELDS = {"n": "100", "sigma": "0.02", "seed": "1"}


class Counting(NoTracing):
    """Tells nobody, and counts how often it is asked to."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def __getattribute__(self, name: str) -> Any:
        if name in vars(NoTracing):
            self.calls[name] += 1
        return super().__getattribute__(name)


def main() -> None:
    print(f"{described()}\n")
    off()
    asyncio.run(calls())
    on_against_off()


def off() -> None:
    def in_a_part() -> None:
        with NO_TRACING.part("store"):
            pass

    def in_a_request() -> None:
        with NO_TRACING.request(None) as span:
            span.answered("GET", "/models", 200)
            span.tell(request_id="x", problem=None)

    def told() -> None:
        NO_TRACING.tell(model="m", contract="waveform", outcome="certified")

    work: dict[str, Callable[[], object]] = {"request": in_a_request, "part": in_a_part, "tell": told}
    print("| off: call | ns |\n|---|---|")
    for name, each in work.items():
        print(f"| {name} | {nanoseconds(each) - nanoseconds(lambda: None):.0f} |")
    assert isinstance(NO_SPAN, Span)


def nanoseconds(work: Callable[[], object]) -> float:
    """The least of several, in time of this process alone: what else the machine does is not counted."""
    return 1e9 * min(timeit.repeat(work, timer=time.process_time, number=CALLS, repeat=15)) / CALLS


async def calls() -> None:
    """How many calls a request makes: one that is drawn and kept, and the same answered from the store."""
    counting = Counting()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(application, "tracing_to", lambda *_: counting)
        app = application.create_app(Settings(store=SecretUrl(""), devices="cpu", models=ROOT / "models"))
    transport = httpx.ASGITransport(app)
    print("\n| off: request | calls |\n|---|---|")
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        for name in ("drawn", "from the store"):
            counting.calls.clear()
            answer = await client.post("/certify", files={"audio": YES.read_bytes()}, data=FIELDS, timeout=120)
            answer.raise_for_status()
            print(f"| {name} | {sum(counting.calls.values())} ({dict(counting.calls)}) |")


def on_against_off() -> None:
    with (
        fake.collecting() as collector,
        running() as (off_process, off_client, _),
        running(SOUNDPROOF_TRACING=collector.url) as (on_process, on_client, _),
    ):
        collector.take = nothing  # type: ignore[method-assign, assignment]  # to read them is no part of what is measured
        clients = {"off": off_client, "on": on_client}
        pids = {"off": off_process.pid, "on": on_process.pid}
        for client in clients.values():
            client.headers.pop("Cache-Control")
            for _ in range(50):
                ask(client)
        before = {name: cpu_s(pid) for name, pid in pids.items()}
        seconds: dict[str, list[float]] = {name: [] for name in clients}
        for turn in range(ROUNDS):
            for name in sorted(clients, reverse=bool(turn % 2)):
                seconds[name].append(ask(clients[name]))
        computed = {name: cpu_s(pid) - before[name] for name, pid in pids.items()}
        lines = on_client.get("/metrics").text.splitlines()
    print(
        "\n| from the store, over HTTP | median, ms | p99, ms | CPU of the service, ms a request |\n|---|---|---|---|"
    )
    for name, values in seconds.items():
        median, p99 = statistics.median(values), statistics.quantiles(values, n=100)[98]
        print(f"| {name} | {1e3 * median:.3f} | {1e3 * p99:.3f} | {1e3 * computed[name] / ROUNDS:.3f} |")
    differences = [1e6 * (on - off) for on, off in zip(seconds["on"], seconds["off"], strict=True)]
    resampled = np.random.default_rng(1).choice(differences, (1000, len(differences)))
    low, high = np.quantile(np.median(resampled, axis=1), (0.025, 0.975))
    print(
        f"\non - off: median {statistics.median(differences):.0f} us, 95 % interval {low:.0f} to {high:.0f} us, "
        f"{ROUNDS} pairs"
    )
    print("\n".join(line for line in lines if line.startswith("soundproof_trace_spans_total")))


def nothing(*_: object) -> None:
    pass


def ask(client: httpx.Client) -> float:
    started = time.perf_counter()
    client.post("/certify", files={"audio": ("yes.wav", YES_BYTES)}, data=FIELDS).raise_for_status()
    return time.perf_counter() - started


YES_BYTES = Path(YES).read_bytes()

if __name__ == "__main__":
    main()
