"""Gaussian noise addressed by (stream, stage, block): for one generator, the same address is the same noise, always."""

import hashlib

import numpy as np
import torch
from torch import Tensor

from soundproof.smoothing.noise_address import Stage


def generator_name(device: torch.device) -> str:
    """What draws the noise on `device`: two devices of one name draw the same noise from the same address."""
    if device.type == "cpu":
        return "numpy philox-4x64, ziggurat, float32"
    return f"torch philox-4x32, float32, on {torch.cuda.get_device_name(device)}"


def standard_normal(
    key: bytes, stage: Stage, block: int, shape: tuple[int, ...], device: torch.device | str = "cpu"
) -> Tensor:
    """Draws of N(0, 1), shape `shape`, float32, on `device`.

    On a CPU: Philox-4x64 with the 128-bit stream key as its key and (stage, block) as the upper half of its
    256-bit counter, so different addresses are disjoint by construction (Salmon et al. 2011), turned into normals
    by numpy's ziggurat. torch's CPU generator keeps only 32 bits of its seed, too few to keep streams apart.
    On a GPU: torch's Philox-4x32 there, seeded with 64 bits of a hash of the address; how its draws are laid out
    depends on the GPU. `generator_name` tells generators apart, and the certificate states it.
    """
    device = torch.device(device)
    if device.type == "cpu":
        counter = np.array([0, 0, block, int(stage)], dtype=np.uint64)
        bits = np.random.Philox(key=int.from_bytes(key, "little"), counter=counter)
        return torch.from_numpy(np.random.Generator(bits).standard_normal(shape, dtype=np.float32))
    address = hashlib.sha256(key + int(stage).to_bytes(8, "little") + block.to_bytes(8, "little")).digest()
    generator = torch.Generator(device).manual_seed(int.from_bytes(address[:8], "little", signed=True))
    return torch.randn(shape, generator=generator, device=device)
