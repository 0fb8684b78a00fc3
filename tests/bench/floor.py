"""How near the bundled network comes to what one core can do.

    python -m tests.bench.floor

The yardstick is a product of two large matrices on the same core in the same run, in turns with the network. CPU time
of the thread, medians. Prints Markdown; nothing here asserts.
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
    for precision, dtype in ((Precision.FLOAT32, torch.float32), (Precision.BFLOAT16, torch.bfloat16)):
        network = classifier.at(precision)
        features = network.features(torch.randn(CHUNK, 16_000))
        left, right = (torch.randn(SIDE, SIDE).to(dtype) for _ in range(2))
        product_s, network_s = in_turns([partial(torch.matmul, left, right), partial(network.head, features)])
        counter = FlopCounterMode(display=False)
        with counter:
            network.head(features)
        flops = counter.get_total_flops() / CHUNK
        peak, reached = 2 * SIDE**3 / product_s / 1e9, flops * CHUNK / network_s / 1e9
        ms = network_s / CHUNK * 1e3
        print(f"| {precision} | {peak:.0f} | {reached:.0f} | {reached / peak:.2f} | {flops / 1e6:.0f} | {ms:.2f} |")


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
