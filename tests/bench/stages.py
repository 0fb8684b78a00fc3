"""Where the time of a vote goes on this machine's CPU, with and without the worker's memory settings.

    python -m tests.bench.stages

Each row is a fresh process, since glibc reads its tunables at start. Milliseconds per noise sample, medians. Prints
Markdown; nothing here asserts.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from soundproof.engine.child import ENVIRONMENT
from soundproof.nets.folder import load
from soundproof.smoothing.noise import standard_normal
from soundproof.smoothing.noise_address import Stage, stream_key
from soundproof.smoothing.plan import BLOCK_SAMPLES

MODEL = Path(__file__).parents[2] / "models" / "speech-commands-12"
KEPT = "glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=4294967296"
VARIANTS = {
    "glibc's defaults": "",
    "memory kept (`mmap_threshold`, `trim_threshold`)": KEPT,
    "and in huge pages (`hugetlb=1`): what the worker sets": ENVIRONMENT["GLIBC_TUNABLES"],
}
CHUNKS = (32, 128)
REPEATS, ROUNDS = 6, 3
SIGMA = 0.02


def main() -> None:
    if sys.argv[1:] == ["measure"]:
        print(" | ".join(f"{value:.2f}" for value in measure()))
        return
    parts = " | ".join(f"log-mel, {chunk} | CNN, {chunk}" for chunk in CHUNKS)
    print(f"| | noise (torch's) | noise (ours) | adding it | {parts} |\n|{'---|' * (4 + 2 * len(CHUNKS))}")
    rounds: dict[str, list[list[float]]] = {name: [] for name in VARIANTS}
    for _ in range(ROUNDS):  # the variants alternate, so that what else the machine does falls on all of them
        for name, tunables in VARIANTS.items():
            environment = os.environ | ENVIRONMENT | {"GLIBC_TUNABLES": tunables}
            command = [sys.executable, "-m", "tests.bench.stages", "measure"]
            output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
            rounds[name].append([float(value) for value in output.split("|")])
    for name, values in rounds.items():
        medians = [statistics.median(column) for column in zip(*values, strict=True)]
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in medians) + " |")


@torch.inference_mode()
def measure() -> list[float]:
    classifier = load(MODEL).classifier
    point = torch.randn(16_000, dtype=torch.float64)
    key, shape = stream_key("bench"), (BLOCK_SAMPLES, len(point))
    noise = standard_normal(key, Stage.ESTIMATION, 0, shape)
    generator = torch.Generator().manual_seed(1)
    times = [
        per_sample(lambda: torch.randn(shape, generator=generator)),
        per_sample(lambda: standard_normal(key, Stage.ESTIMATION, 0, shape)),
        per_sample(lambda: [(point + SIGMA * chunk.double()).float() for chunk in torch.split(noise, CHUNKS[0])]),
    ]
    features = classifier.features(noise)
    for size in CHUNKS:
        waves, images = torch.split(noise, size), torch.split(features, size)
        times.append(per_sample(lambda waves=waves: [classifier.features(chunk) for chunk in waves]))  # type: ignore[misc]
        times.append(per_sample(lambda images=images: [classifier.head(chunk) for chunk in images]))  # type: ignore[misc]
    return times


def per_sample(work: Callable[[], object]) -> float:
    """Milliseconds for one of the BLOCK_SAMPLES noise samples that `work` handles."""
    work()
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return 1e3 * statistics.median(seconds) / BLOCK_SAMPLES


if __name__ == "__main__":
    main()
