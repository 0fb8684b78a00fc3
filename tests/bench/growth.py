"""What each kind of request leaves behind in the API's memory.

    python -m tests.bench.growth

Starts `soundproof serve` with the bundled model on 127.0.0.1, asks each kind of request many times, one kind after
another, and prints how much the resident memory of the API process grew in each quarter: what a kind needs is there
after the first, and what it leaks would come with every one. The soak (soak.py) says how much all of them come to.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench.load import clips, print_table
from tests.bench.machine import described
from tests.bench.server import running
from tests.bench.soak_callers import Callers, spoken
from tests.bench.soak_ledger import Ledger

SOUNDS, FEW = 40, 20
WARM_UP = 20  # of each kind, one in so many before anything is measured
Ask = Callable[[Callers, int], object]


def certify(path: str, **fields: object) -> Ask:
    """A certificate of few votes, of a sound of its own."""
    return lambda callers, number: callers.post(path, path, callers.sound(number), **{"n": FEW, **fields})


def get(path: str) -> Ask:
    return lambda callers, number: callers.client.get(path.format(number))


KINDS: dict[str, tuple[int, Ask]] = {
    "GET /livez": (3_000, get("/livez")),
    "GET /models": (2_000, get("/models")),
    "GET /metrics": (1_000, get("/metrics")),
    "GET /certificates/..., unknown": (2_000, get("/certificates/{}")),
    "GET an address that is none": (2_000, get("/nowhere/{}")),
    "files that are none": (2_000, Callers.send_garbage),
    "certify, answered from the store": (1_000, Callers.ask_again),
    "certify, kept": (
        400,
        lambda callers, number: callers.post(
            "certify", "/certify", callers.sound(number), n=FEW, seed=number, label="yes"
        ),
    ),
    "certify, not kept": (400, certify("/certify")),
    "certify, watched": (200, certify("/certify", progress="true")),
    "sweep of three": (100, certify("/certify/sweep", settings="waveform:0.02,feature,clip:0.02")),
    "gate": (200, certify("/certify", n=2_000, target_snr_db=76)),
    "job of four, watched": (60, Callers.hand_in_a_job),
    "certifications left": (40, Callers.leave_during_the_work),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{Path(folder, 'store.db')}"
        with running(SOUNDPROOF_STORE=store, SOUNDPROOF_LOG_LEVEL="error") as (process, client, _):
            address = client.base_url.host, client.base_url.port or 80
            callers = Callers(address, [spoken(), *clips(SOUNDS)], Ledger())
            for turns, ask in KINDS.values():
                for number in range(turns // WARM_UP):
                    ask(callers, 1_000_000 + number)
            before = process.memory_info().rss
            rows = []
            for kind, (turns, ask) in KINDS.items():
                grown = []
                for quarter in range(4):
                    first, last = (turns * each // 4 for each in (quarter, quarter + 1))
                    at_first = process.memory_info().rss
                    for number in range(first, last):
                        ask(callers, number)
                    grown.append((process.memory_info().rss - at_first) >> 10)
                rows.append((f"{kind}, {turns:,} times", ", ".join(f"{kib:,}" for kib in grown)))
            after = process.memory_info().rss
    print(f"\n{described()}; resident memory at first {before / 2**20:.1f} MiB, at last {after / 2**20:.1f} MiB\n")
    print_table("kind of request: KiB more after each quarter", rows)


if __name__ == "__main__":
    main()
