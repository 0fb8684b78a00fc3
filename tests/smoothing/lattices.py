"""Noise of a lattice for tests: drawn at one address, and all of a block's."""

import torch
from torch import Tensor

from soundproof.smoothing.lattice import Lattice
from soundproof.smoothing.lattice_noise import lattice_normal, uniform_words
from soundproof.smoothing.noise import GROUP_SAMPLES, block_normal
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import Block, Plan


def noise_at(
    lattice: Lattice,
    key: bytes,
    stage: Stage,
    block: int,
    shape: tuple[int, ...],
    device: torch.device | str = "cpu",
    group: int = 0,
) -> Tensor:
    """What the address gives: N(0, sigma^2) rounded to the lattice, float64."""
    return lattice_normal(lattice, uniform_words(key, stage, block, shape, device, group))


def block_noise(plan: Plan, block: Block, shape: tuple[int, ...]) -> Tensor:
    """(samples, *shape) float64: all the noise of a block, of the plan's kind, with its sigma; on a CPU."""
    address = plan.noise_stream, block.stage, block.index
    if plan.lattice is None:
        return plan.sigma * block_normal(*address, (block.samples, *shape)).double()
    most = GROUP_SAMPLES["cpu"]
    sizes = [min(most, block.samples - first) for first in range(0, block.samples, most)]
    groups = (noise_at(plan.lattice, *address, (size, *shape), group=group) for group, size in enumerate(sizes))
    return torch.cat(list(groups))
