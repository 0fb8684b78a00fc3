"""Every request of a soak, and what became of it."""

import threading
from collections import Counter
from dataclasses import dataclass, field

LOST = "lost"
GIVEN_UP = "given up by us"


@dataclass
class Ledger:
    """`counts`: (kind of request, how it ended) -> how often. It ended with a status, or because we left (GIVEN_UP), or
    with no whole answer although we waited for one (LOST). Safe for many threads."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    jobs: list[str] = field(default_factory=list)  # accepted
    losses: list[str] = field(default_factory=list)  # what was told of each
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ended(self, kind: str, how: str | int) -> None:
        with self._lock:
            self.counts[kind, str(how)] += 1

    def lost(self, kind: str, why: str) -> None:
        self.ended(kind, LOST)
        with self._lock:
            self.losses.append(f"{kind}: {why}")

    def accepted(self, job_id: str) -> None:
        with self._lock:
            self.jobs.append(job_id)

    def of(self, how: str) -> int:
        return sum(count for (_, ended), count in self.counts.items() if ended == how)

    @property
    def sent(self) -> int:
        return sum(self.counts.values())

    @property
    def faults(self) -> int:
        """Answers 5xx, but for readiness, which is meant to be off at times."""
        return sum(
            count for (kind, ended), count in self.counts.items() if ended.startswith("5") and kind != "GET /readyz"
        )

    def rows(self) -> list[tuple[str, str]]:
        """By kind of request, in the order of their names."""
        found = []
        for kind in sorted({kind for kind, _ in self.counts}):
            ends = sorted((ended, count) for (of, ended), count in self.counts.items() if of == kind)
            found.append((kind, ", ".join(f"{ended}: {count:,}" for ended, count in ends)))
        return found
