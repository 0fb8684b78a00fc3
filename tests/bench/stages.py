"""Where the time of a vote goes on this machine's CPU, with and without the worker's memory settings.

    python -m tests.bench.stages

Each row is a fresh process, since glibc reads its tunables at start. Every core does the same at the same time, each by
itself, as in the worker. Milliseconds per noise sample of all cores together, medians. Prints Markdown; nothing here
asserts.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from soundproof.engine.child import ENVIRONMENT
from soundproof.nets.classifier import LogMelCnn
from soundproof.nets.folder import load
from soundproof.smoothing.lanes import Lanes, usable_cores
from soundproof.smoothing.noise import GROUP_SAMPLES, standard_normal
from soundproof.smoothing.noise_address import Stage, stream_key
from soundproof.terms import Precision

MODEL = Path(__file__).parents[2] / "models" / "speech-commands-12"
KEPT = "glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=4294967296"
VARIANTS = {
    "glibc's defaults": "",
    "memory kept (`mmap_threshold`, `trim_threshold`)": KEPT,
    "and in huge pages (`hugetlb=1`): what the worker sets": ENVIRONMENT["GLIBC_TUNABLES"],
}
CHUNKS = (16, 64)
NETWORK = ("log-mel", "CNN", "CNN by torch", "CNN in bfloat16")
REPEATS, ROUNDS = 6, 3
SIGMA, SAMPLES = 0.02, 16_000
GROUP = GROUP_SAMPLES["cpu"]


def main() -> None:
    if sys.argv[1:] == ["measure"]:
        print(" | ".join(f"{value:.2f}" for value in measure()))
        return
    parts = [f"{stage}, {chunk}" for chunk in CHUNKS for stage in NETWORK]
    print(f"| | noise (torch's) | noise (ours) | adding it | {' | '.join(parts)} |\n|{'---|' * (4 + len(parts))}")
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


def measure() -> list[float]:
    torch.set_num_threads(1)
    classifier = load(MODEL).classifier
    assert isinstance(classifier, LogMelCnn)
    by_torch, rounded = classifier.at(Precision.FLOAT32), classifier.at(Precision.BFLOAT16)
    by_torch.ncnn = None
    point = torch.randn(SAMPLES, dtype=torch.float64)
    key, shape = stream_key("bench"), (GROUP, SAMPLES)
    noise = standard_normal(key, Stage.ESTIMATION, 0, shape)

    def torchs() -> Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(1))

    def ours() -> Tensor:
        return standard_normal(key, Stage.ESTIMATION, 0, shape)

    def added() -> list[Tensor]:
        return [(point + SIGMA * chunk.double()).float() for chunk in torch.split(noise, CHUNKS[0])]

    lanes = Lanes(usable_cores())
    times = [per_sample(work, GROUP, lanes) for work in (torchs, ours, added)]
    for size in CHUNKS:
        waves = standard_normal(key, Stage.ESTIMATION, 1, (size, SAMPLES))
        with torch.inference_mode():
            images = classifier.features(waves)
        times.append(per_sample(partial(classifier.features, waves), size, lanes))
        times += [per_sample(partial(net.head, images), size, lanes) for net in (classifier, by_torch, rounded)]
    return times


def per_sample(work: Callable[[], object], samples: int, lanes: Lanes) -> float:
    """Milliseconds for one of the noise samples that `work` handles, all lanes working at once."""

    @torch.inference_mode()
    def repeated(_: int) -> float:
        work()
        seconds = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - started)
        return statistics.median(seconds)

    each = lanes.map(repeated, range(lanes.count))
    return 1e3 * statistics.mean(each) / samples / lanes.count


if __name__ == "__main__":
    main()
