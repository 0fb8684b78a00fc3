"""Gaussian noise addressed by (stream, stage, block, group): for one generator, the same address is the same noise."""

import hashlib

import numpy as np
import torch
from torch import Tensor

from soundproof.smoothing.noise_address import Stage

# Noise samples of a block that are drawn at once, at one address: on a CPU few, so that several cores can draw them;
# on a GPU a whole block, whatever its size.
GROUP_SAMPLES = {"cpu": 32, "cuda": 1 << 16}


def generator_name(device: torch.device) -> str:
    """What draws the noise on `device`: two devices of one name draw the same noise from the same address."""
    if device.type == "cpu":
        return f"numpy philox-4x64, ziggurat, float32, groups of {GROUP_SAMPLES['cpu']}"
    return f"torch philox-4x32, float32, on {torch.cuda.get_device_name(device)}"


def standard_normal(  # noqa: PLR0913
    key: bytes, stage: Stage, block: int, shape: tuple[int, ...], device: torch.device | str = "cpu", group: int = 0
) -> Tensor:
    """Draws of N(0, 1), shape `shape`, float32, on `device`.

    On a CPU: Philox-4x64 with the 128-bit stream key as its key and (group, block, stage) as the upper three words of
    its 256-bit counter, so different addresses are disjoint by construction (Salmon et al. 2011), turned into normals
    by numpy's ziggurat. torch's CPU generator keeps only 32 bits of its seed, too few to keep streams apart.
    On a GPU: torch's Philox-4x32 there, seeded with 64 bits of a hash of the address; how its draws are laid out
    depends on the GPU. `generator_name` tells generators apart, and the certificate states it.
    """
    device = torch.device(device)
    if device.type == "cpu":
        counter = np.array([0, group, block, int(stage)], dtype=np.uint64)
        bits = np.random.Philox(key=int.from_bytes(key, "little"), counter=counter)
        return torch.from_numpy(np.random.Generator(bits).standard_normal(shape, dtype=np.float32))
    address = b"".join(part.to_bytes(8, "little") for part in (int(stage), block, group))
    seed = hashlib.sha256(key + address).digest()
    generator = torch.Generator(device).manual_seed(int.from_bytes(seed[:8], "little", signed=True))
    return torch.randn(shape, generator=generator, device=device)


def block_normal(
    key: bytes, stage: Stage, block: int, shape: tuple[int, ...], device: torch.device | str = "cpu"
) -> Tensor:
    """All the draws of a block, shape[0] noise samples, group by group."""
    most = GROUP_SAMPLES[torch.device(device).type]
    sizes = [min(most, shape[0] - first) for first in range(0, shape[0], most)]
    return torch.cat(
        [
            standard_normal(key, stage, block, (size, *shape[1:]), device, group=group)
            for group, size in enumerate(sizes)
        ]
    )
