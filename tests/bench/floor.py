"""How near the bundled network comes to what one core can do.

    python -m tests.bench.floor

The yardstick is a product of two large matrices on the same core in the same run, in turns with the network: as torch
computes it, and as ncnn does, which votes with it in float32. Operations are those of plain convolutions; ncnn needs
fewer for the same numbers, so that its share may exceed 1. CPU time of the thread, medians. Prints Markdown; nothing
here asserts.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from soundproof.engine.child import ENVIRONMENT
from soundproof.nets.classifier import LogMelCnn
from soundproof.nets.folder import load
from soundproof.terms import Precision

MODEL = Path(__file__).parents[2] / "models" / "speech-commands-12"
SIDE, CHUNK, ROUNDS = 1024, 16, 40


@torch.inference_mode()
def main() -> None:
    torch.set_num_threads(1)
    classifier = load(MODEL).classifier
    assert isinstance(classifier, LogMelCnn)
    print("| | matrix product, GFLOP/s | network, GFLOP/s | share | network, MFLOP a vote | core ms a vote |")
    print("|---|---|---|---|---|---|")
    for library, precision, dtype in (
        ("torch", Precision.FLOAT32, torch.float32),
        ("ncnn", Precision.FLOAT32, torch.float32),
        ("torch", Precision.BFLOAT16, torch.bfloat16),
    ):
        network = classifier.at(precision)
        flops = operations(network)
        if library == "torch":
            network.ncnn = None
        features = network.features(torch.randn(CHUNK, 16_000))
        left, right = (torch.randn(SIDE, SIDE).to(dtype) for _ in range(2))
        product_s, network_s = in_turns([partial(torch.matmul, left, right), partial(network.head, features)])
        peak, reached = 2 * SIDE**3 / product_s / 1e9, flops * CHUNK / network_s / 1e9
        name, ms = f"{precision}, {library}", network_s / CHUNK * 1e3
        print(f"| {name} | {peak:.0f} | {reached:.0f} | {reached / peak:.2f} | {flops / 1e6:.0f} | {ms:.2f} |")


def operations(network: LogMelCnn) -> float:
    """Of one clip behind the front end, convolutions straight from their definition."""
    features = network.features(torch.zeros(1, 16_000)).to(network.cnn.linear.weight.dtype)
    counter = FlopCounterMode(display=False)
    with counter:
        network.cnn(features)
    return float(counter.get_total_flops())


def in_turns(work: list[Callable[[], Any]]) -> list[float]:
    """Median seconds of CPU for each."""
    times: list[list[float]] = [[] for _ in work]
    for _ in range(ROUNDS):
        for taken, each in zip(times, work, strict=True):
            started = time.thread_time()
            each()
            taken.append(time.thread_time() - started)
    return [statistics.median(taken) for taken in times]


if __name__ == "__main__":
    if sys.argv[1:] == ["measure"]:
        main()
    else:  # glibc reads its tunables at start
        command = [sys.executable, "-m", "tests.bench.floor", "measure"]
        subprocess.run(command, env=os.environ | ENVIRONMENT, check=True)
