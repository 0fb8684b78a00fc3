"""Draws docs/figures/dashboard.png: the panels of Grafana's dashboard, drawn without Grafana.

    python -m tests.bench.dashboard [--seconds 300]

Starts the service with the bundled models and a real Prometheus beside it, asks the service for all kinds of things,
ends its worker once, then puts every panel's query to Prometheus and draws the answers. Needs Prometheus.
"""

import argparse
import contextlib
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
from tests.bench.case import ROOT, YES
from tests.bench.load import clips
from tests.bench.picture import Span, drawn
from tests.bench.server import running
from tests.docker import dashboard
from tests.docker.prometheus_server import watching

FIGURE = ROOT / "docs" / "figures" / "dashboard.png"
INTERVAL_S = 2.0
WINDOW = "30s"  # of rates
WORD, SCENE = "speech-commands-12", "esc-10"
JOB_CLIPS = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=300, help="of load")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running() as (process, client, _),
        watching(client.base_url.netloc.decode(), Path(folder), INTERVAL_S) as prometheus,
    ):
        started = time.time()
        load(process, client, options.seconds)
        span = Span(started, started + options.seconds)
        figure = drawn(
            dashboard.panels(rows=True, window=WINDOW),
            lambda expr: prometheus.range(expr, span.start, span.end, INTERVAL_S),
            span,
        )
        figure.savefig(FIGURE, dpi=100, pil_kwargs={"optimize": True})
    print(FIGURE)


def load(process: psutil.Process, client: httpx.Client, seconds: float) -> None:
    """Several callers at once, each with a habit of their own, for so long."""
    over = threading.Event()
    sounds = list(clips(JOB_CLIPS))
    spoken = YES.read_bytes()

    def certify(audio: bytes = spoken, timeout: float | None = 600, cache: str = "no-store", **fields: object) -> None:
        data, headers = {name: str(value) for name, value in fields.items()}, {"Cache-Control": cache}
        with contextlib.suppress(httpx.TimeoutException):  # some have no patience, as they were told
            client.post("/certify", files={"audio": audio}, data=data, timeout=timeout, headers=headers)

    def again(what: Callable[[int], None], pause_s: float) -> None:
        number = 0
        while not over.is_set():
            what(number)
            number += 1
            over.wait(pause_s)

    def words(number: int) -> None:
        certify(sounds[number % JOB_CLIPS], model=WORD, n=300, sigma=(0.02, 0.1, 0.3, 0.5, 0.8)[number % 5])

    def features(number: int) -> None:
        certify(sounds[number % JOB_CLIPS], model=WORD, contract="feature", n=300, sigma=(0.5, 1.0, 2.0)[number % 3])

    def scenes(number: int) -> None:
        certify(sounds[number % JOB_CLIPS], model=SCENE, n=100, n0=50, alpha=0.01)

    def bursts(number: int) -> None:
        with ThreadPoolExecutor(12) as callers:
            for each in range(12):
                callers.submit(certify, sounds[each], model=WORD, contract="post_processed", transform="rms", n=200)

    def known(number: int) -> None:
        certify(cache="max-age=0", model=WORD, n=200, sigma=0.02)

    def faults(number: int) -> None:
        certify(b"RIFF")
        certify(model="nobodys")
        certify(model=WORD, n=100_000, timeout=1.0)

    files = [("audio", (f"{number}.wav", sound)) for number, sound in enumerate(sounds)]
    client.post("/jobs", files=files, data={"model": WORD, "n": "200", "sigma": "0.05"}).raise_for_status()
    with ThreadPoolExecutor(8) as callers:
        for what, pause_s in (
            (words, 0.5),
            (features, 1.5),
            (scenes, 3.0),
            (bursts, 50.0),
            (faults, 12.0),
            (known, 2.0),
        ):
            callers.submit(again, what, pause_s)
        over.wait(seconds * 0.7)
        for worker in process.children():
            worker.kill()
        over.wait(seconds * 0.3)
        over.set()


if __name__ == "__main__":
    main()
