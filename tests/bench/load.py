"""What the service does under load: a job of many clips, many requests at once, and the promise of a Retry-After.

    python -m tests.bench.load [--clips 1000] [--requests 50] [--rounds 3]

Starts `soundproof serve` with the bundled model on 127.0.0.1 and a store on the disk, measures, prints Markdown. What
must hold (nothing lost, nothing wrong) is counted; nothing here asserts. tests/api/jobs/test_load.py does, of less.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any
from wave import open as open_wave

import httpx
import numpy as np
import psutil
from tests.bench.case import MIB, YES
from tests.bench.machine import described
from tests.bench.server import running

CLIP_VOTES, REQUEST_VOTES, SIGMA = 200, 500, 0.02
LOOK_EVERY_S = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1000, help="of the job, each of one second")
    parser.add_argument("--requests", type=int, default=50, help="at once")
    parser.add_argument("--rounds", type=int, default=3, help="times that a Retry-After is put to the test")
    options = parser.parse_args()
    print(f"{described()}\n")
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{Path(folder, 'store.db')}"
        with running(SOUNDPROOF_STORE=store) as (process, client, _):
            print_table("a job", job(process, client, options.clips))
            print_table("requests at once", at_once(client, options.requests))
        with running(SOUNDPROOF_STORE="", SOUNDPROOF_QUEUE_RUNS="8") as (_, client, _):
            print_table("a full queue", full(client, options.rounds))


def clips(count: int, first: int = 0) -> Iterator[bytes]:
    """Sounds that nobody has heard before: a spoken word in noise of its own, one second, 16 bit."""
    with open_wave(str(YES)) as word:
        spoken = np.frombuffer(word.readframes(word.getnframes()), "<i2").astype(np.float64)
    for number in range(first, first + count):
        heard = spoken + 30 * np.random.default_rng(number).standard_normal(len(spoken))
        packed = BytesIO()
        with open_wave(packed, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(16_000)
            out.writeframes(heard.clip(-32768, 32767).astype("<i2").tobytes())
        yield packed.getvalue()


def job(process: psutil.Process, client: httpx.Client, count: int) -> list[tuple[str, str]]:
    memory: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_EVERY_S):
            memory.append(process.memory_info().rss / MIB)

    watching = threading.Thread(target=watch)
    watching.start()
    before = process.memory_info().rss / MIB
    files = [("audio", (f"{i}.wav", clip, "audio/wav")) for i, clip in enumerate(clips(count))]
    size = sum(len(part[1][1]) for part in files)
    started = time.perf_counter()
    accepted = client.post("/jobs", files=files, data={"n": str(CLIP_VOTES), "sigma": str(SIGMA)}).raise_for_status()
    accepted_s = time.perf_counter() - started
    address = accepted.headers["location"]
    settling: list[tuple[float, int]] = []
    while (state := client.get(address).json())["state"] in ("queued", "running"):
        settling.append((time.perf_counter() - started, state["clips"]["done"] + state["clips"]["failed"]))
        time.sleep(LOOK_EVERY_S)
    seconds = time.perf_counter() - started
    lines = client.get(f"{address}/results").text.splitlines()
    over.set()
    watching.join()
    quarter = max(1, len(memory) // 4)
    early, late = statistics.median(memory[quarter : 2 * quarter]), statistics.median(memory[-quarter:])
    return [
        (
            f"{count:,} clips of one second, n {CLIP_VOTES}; {size / MIB:.0f} MiB in one request, accepted in",
            f"{accepted_s:.1f} s",
        ),
        ("from sending to the last certificate", f"{seconds:.1f} s"),
        ("certificates a second", f"{count / seconds:.2f}"),
        ("noise samples a second", f"{count * (CLIP_VOTES + 100) / seconds:.0f}"),
        (
            "clips done / failed / lines of results",
            f"{state['clips']['done']} / {state['clips']['failed']} / {len(lines)}",
        ),
        ("resident memory of the API process before, most", f"{before:.0f}, {max(memory):.0f} MiB"),
        ("the same in the second and in the last quarter of the time, median", f"{early:.0f}, {late:.0f} MiB"),
    ]


def at_once(client: httpx.Client, count: int) -> list[tuple[str, str]]:
    def ask(clip: bytes) -> tuple[float, dict[str, Any]]:
        started = time.perf_counter()
        answer = client.post("/certify", files={"audio": clip}, data={"n": str(REQUEST_VOTES), "sigma": str(SIGMA)})
        return time.perf_counter() - started, answer.raise_for_status().json()

    sounds = list(clips(count, first=1_000_000))
    with ThreadPoolExecutor(count) as threads:
        answers = list(threads.map(ask, sounds))
    alone = [ask(clip)[1] for clip in sounds]  # drawn again, one after another
    wrong = sum(one["certificate_id"] != two["certificate_id"] for (_, one), two in zip(answers, alone, strict=True))
    seconds = sorted(seconds for seconds, _ in answers)
    median = statistics.median(seconds)
    return [
        (f"POST /certify at once, n {REQUEST_VOTES}, each of another sound", f"{count}"),
        ("answered / another certificate than alone", f"{len(answers)} / {wrong}"),
        ("seconds: least, median, most", f"{seconds[0]:.2f}, {median:.2f}, {seconds[-1]:.2f}"),
        ("the slowest, in medians", f"{seconds[-1] / median:.2f}"),
    ]


def full(client: httpx.Client, rounds: int) -> list[tuple[str, str]]:
    """How long it takes from a 429 until the same request is let in, in units of its Retry-After."""
    found: list[tuple[int, float]] = []
    for turn in range(rounds):
        sounds = list(clips(9, first=2_000_000 + 10 * turn))
        n = 1_000 * (turn + 1)
        with ThreadPoolExecutor(8) as threads:
            asked = [threads.submit(post, client, clip, n) for clip in sounds[:8]]
            wait_until(lambda: depth(client) == 8)
            refused = post(client, sounds[8], REQUEST_VOTES)
            told, since = int(refused.headers["retry-after"]), time.perf_counter()
            wait_until(lambda: depth(client) < 8)
            found.append((told, time.perf_counter() - since))
            for each in asked:
                each.result()
    said = ", ".join(str(told) for told, _ in found)
    took = ", ".join(f"{waited:.1f}" for _, waited in found)
    shares = [waited / told for told, waited in found]
    return [
        (f"Retry-After of {rounds} requests behind 8 others, seconds", said),
        ("until there was room, seconds", took),
        ("the same in units of what was said: least, most", f"{min(shares):.2f}, {max(shares):.2f}"),
    ]


def depth(client: httpx.Client) -> float:
    return float(client.get("/metrics").text.split("\nsoundproof_queue_depth ")[1].split()[0])


def wait_until(reached: Callable[[], bool]) -> None:
    while not reached():
        time.sleep(0.02)


def post(client: httpx.Client, clip: bytes, n: int) -> httpx.Response:
    return client.post("/certify", files={"audio": clip}, data={"n": str(n), "sigma": str(SIGMA)})


def print_table(what: str, rows: list[tuple[str, str]]) -> None:
    print(f"| {what} | |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")
    print(flush=True)


if __name__ == "__main__":
    main()
