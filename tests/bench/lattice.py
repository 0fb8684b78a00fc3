"""What lattice noise costs: the votes of one block, with float noise and with lattice noise, in turns.

    python -m tests.bench.lattice [--pairs 15]

The bundled model, clips of one second, one thread, the worker's chunks and memory settings. CPU time of this process
alone, not seconds on a clock, and the median of the ratios within each pair: what else the machine does falls on both
halves. Prints Markdown; nothing here asserts.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

import torch
from tests.bench.stages import MODEL, SAMPLES, SIGMA

from soundproof.engine.child import ENVIRONMENT
from soundproof.nets.chunk import chunk_clips
from soundproof.nets.folder import load
from soundproof.smoothing.contracts import WaveformContract
from soundproof.smoothing.lattice_noise import snap
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import Block, BoundName, ContractName, NoiseName, Plan, TransformName
from soundproof.smoothing.voting import vote


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=15, help="of blocks, each measured with both kinds of noise")
    parser.add_argument("--here", action="store_true", help="in this process, whatever its memory settings")
    args = parser.parse_args()
    if not args.here:  # glibc reads its tunables at start
        command = [sys.executable, "-m", "tests.bench.lattice", "--here", "--pairs", str(args.pairs)]
        sys.exit(subprocess.run(command, env=os.environ | ENVIRONMENT, check=False).returncode)
    torch.set_num_threads(1)
    measure(args.pairs)


def measure(pairs: int) -> None:
    device = torch.device("cpu")
    model = load(MODEL, device)
    contract = WaveformContract(model.classifier)
    clip = torch.randn(SAMPLES, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    plans = {noise: plan_of(len(model.manifest.classes), noise) for noise in NoiseName}
    points = {noise: snap(plan.lattice, clip) if plan.lattice else clip for noise, plan in plans.items()}
    chunk = chunk_clips(device, SAMPLES, model.most_clips(device))

    def seconds(noise: NoiseName, index: int) -> float:
        started = time.process_time()
        vote(contract, points[noise], plans[noise], Block(Stage.ESTIMATION, index, 128), chunk)
        return time.process_time() - started

    for noise in NoiseName:
        seconds(noise, 0)
    found: dict[NoiseName, list[float]] = {noise: [] for noise in NoiseName}
    for pair in range(1, pairs + 1):
        order = list(NoiseName) if pair % 2 else list(NoiseName)[::-1]
        for noise in order:
            found[noise].append(seconds(noise, pair))
    ratios = [lattice / plain for plain, lattice in zip(*found.values(), strict=True)]
    print(
        "| CPU ms a vote, float noise | lattice noise | ratio, median of pairs | least | most |\n|---|---|---|---|---|"
    )
    each = " | ".join(f"{1e3 * statistics.median(times) / 128:.2f}" for times in found.values())
    print(f"| {each} | {statistics.median(ratios):.2f} | {min(ratios):.2f} | {max(ratios):.2f} |")


def plan_of(classes: int, noise: NoiseName) -> Plan:
    return Plan(
        model="speech-commands-12",
        model_digest="",
        classes=classes,
        contract=ContractName.WAVEFORM,
        transform=TransformName.FIXED,
        sigma=SIGMA,
        n0=100,
        n=10_000,
        alpha=0.001,
        bound=BoundName.CLOPPER_PEARSON,
        seed=1,
        clip_sha256="",
        dimension=SAMPLES,
        noise=noise,
    )


if __name__ == "__main__":
    main()
