"""The inner loop: contract and noise -> votes. The only place where noise is drawn for a certificate."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from soundproof.nets.chunk import MOST_CLIPS, chunk_clips
from soundproof.smoothing.certification import Geometry, Votes
from soundproof.smoothing.contracts import INVALID, Contract
from soundproof.smoothing.noise import standard_normal
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import Block, Plan

# Forward passes at a time, by device type, at most.
CHUNK_SAMPLES = MOST_CLIPS


@torch.inference_mode()
def vote(contract: Contract, point: Tensor, plan: Plan, block: Block, chunk_samples: int) -> Votes:
    """The votes of one block of noise around `point`, `chunk_samples` forward passes at a time.

    `point`: the contract's anchor, float64, on the device to compute on. The noise depends on the plan and the block
    only, never on `chunk_samples`. Each noised point is rounded once, from float64 to float32.
    """
    size = min(chunk_samples, chunk_clips(point.device, point.numel()))
    noise = standard_normal(plan.noise_stream, block.stage, block.index, (block.samples, *point.shape), point.device)
    counts = torch.zeros(plan.classes + 1, dtype=torch.int64, device=point.device)
    ratios: list[float] = []
    for chunk in torch.split(noise, size):  # (at most size, ...) float32
        perturbation = plan.sigma * chunk.double()
        noised = (point + perturbation).float()
        decided = contract.decide(filled(noised, size))[: len(chunk)]  # (chunk,) int64, INVALID where not finite
        counts += torch.bincount(decided - INVALID, minlength=plan.classes + 1)
        if block.stage is Stage.SELECTION:
            ratios += norm_ratios(contract, point, noised, perturbation).tolist()
    invalid, *valid = counts.tolist()
    return Votes(tuple(valid), invalid, geometry(ratios))


def filled(batch: Tensor, size: int) -> Tensor:
    """(at most size, ...) -> (size, ...), the rest zeros: a network is only ever given batches of one size."""
    missing = size - len(batch)
    return torch.cat([batch, batch.new_zeros(missing, *batch.shape[1:])]) if missing else batch


def norm_ratios(contract: Contract, point: Tensor, noised: Tensor, perturbation: Tensor) -> Tensor:
    """||Delta|| / ||eps|| for every noised point: (batch,) float64.

    `noised`: (batch, ...) float32; `perturbation`: (batch, ...) float64, the noise drawn, with its sigma.
    """
    return _norms(contract.effective(noised).double() - point) / _norms(perturbation)


def geometry(ratios: Sequence[float]) -> Geometry:
    """Exact sums, so that they do not depend on how the samples were cut into chunks."""
    return Geometry(
        deviation_sum=math.fsum(abs(ratio - 1.0) for ratio in ratios),
        ratio_sum=math.fsum(ratios),
        samples=len(ratios),
    )


def vote_all(contract: Contract, point: Tensor, plan: Plan, blocks: Sequence[Block], chunk_samples: int) -> list[Votes]:
    """The votes of several blocks, in order."""
    return [vote(contract, point, plan, block, chunk_samples) for block in blocks]


def _norms(batch: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(batch.flatten(1), dim=1)
    return norms
