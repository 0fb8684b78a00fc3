"""What a service holds over time: memory, descriptors, threads and disk, and whether they grow."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import psutil
from scipy import stats
from tests.bench.case import MIB

LOOK_EVERY_S, LIVE_EVERY_S = 5.0, 0.5
WARM_UP = 0.2  # share of the time that slopes leave out


@dataclass
class Series:
    """Values by the second since the start."""

    times_s: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, when_s: float, value: float) -> None:
        self.times_s.append(when_s)
        self.values.append(value)

    def after(self, start_s: float) -> "Series":
        kept = [(when, value) for when, value in zip(self.times_s, self.values, strict=True) if when >= start_s]
        return Series([when for when, _ in kept], [value for _, value in kept])

    def slopes_per_hour(self) -> tuple[float, float]:
        """Of least squares, and of Theil and Sen (the median of the slopes of all pairs)."""
        hours = np.array(self.times_s) / 3600
        least_squares = float(stats.linregress(hours, self.values).slope)
        return least_squares, float(stats.theilslopes(self.values, hours).slope)


class Watch:
    """Looks at a service's process and its workers until it is left."""

    def __init__(self, process: psutil.Process, url: str, store: Path) -> None:
        self.series: dict[str, Series] = {}
        self.live_s: list[float] = []
        self.live_failures = 0
        self.worker_since_s = 0.0  # when the present worker was first seen
        self._process, self._url, self._store = process, url, store
        self._started = time.monotonic()
        self._worker: int | None = None
        self._over = threading.Event()

    @contextmanager
    def looking(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._look_again), threading.Thread(target=self._ask)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _look_again(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            with suppress(psutil.NoSuchProcess, FileNotFoundError):  # gone while it was looked at
                self._look()

    def _look(self) -> None:
        now = time.monotonic() - self._started
        workers = self._process.children()
        if workers and self._worker != workers[0].pid:
            self._worker, self.worker_since_s = workers[0].pid, now
        found = {
            "API: resident memory, MiB": self._process.memory_info().rss / MIB,
            "API: file descriptors": self._process.num_fds(),
            "API: threads": self._process.num_threads(),
            "store on the disk, MiB": sum(file.stat().st_size for file in self._store.glob("*")) / MIB,
        }
        if workers:
            found["worker: resident memory, MiB"] = workers[0].memory_info().rss / MIB
            found["worker: file descriptors"] = workers[0].num_fds()
            found["worker: threads"] = workers[0].num_threads()
        for name, value in found.items():
            self.series.setdefault(name, Series()).add(now, value)

    def _ask(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as client:
            while not self._over.wait(LIVE_EVERY_S):
                started = time.perf_counter()
                try:
                    client.get("/livez").raise_for_status()
                    self.live_s.append(time.perf_counter() - started)
                except httpx.HTTPError:
                    self.live_failures += 1

    def rows(self) -> list[tuple[str, ...]]:
        """name, at first, at last, least, most, slope by least squares, robust slope; each after its warm-up."""
        total_s = time.monotonic() - self._started
        found = []
        for name, series in self.series.items():
            begun_s = self.worker_since_s if name.startswith("worker") else 0.0
            kept = series.after(begun_s + WARM_UP * (total_s - begun_s))
            if len(kept.values) < 10:
                continue
            quarter = max(1, len(kept.values) // 4)
            first, last = np.median(kept.values[:quarter]), np.median(kept.values[-quarter:])
            figures = (first, last, min(kept.values), max(kept.values), *kept.slopes_per_hour())
            found.append((name, *(f"{figure:,.1f}" for figure in figures)))
        return found
