"""The peer: CERTIFY of Cohen et al. 2019 as one would write it from the paper, with the same network and noise level.

Batches of 100, torch's own Gaussian noise, the network as trained: batch norms in place, float32, default layout.
"""

import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from soundproof.nets.classifier import LogMelCnn
from soundproof.nets.manifest import WEIGHTS, read_manifest
from soundproof.nets.specs import CnnSpec

BATCH = 100


def plain_network(folder: Path) -> LogMelCnn:
    """The model of a folder, not optimized."""
    manifest = read_manifest(folder)
    assert isinstance(manifest.architecture, CnnSpec)
    assert manifest.front_end
    network = LogMelCnn(manifest.architecture, manifest.front_end, manifest.sample_rate_hz, len(manifest.classes))
    network.cnn.load_state_dict(load_file(folder / WEIGHTS))
    return network.eval()


@torch.no_grad()
def certify(network: LogMelCnn, x: Tensor, sigma: float, n0: int, n: int, classes: int) -> tuple[list[int], float]:
    """Estimation counts by class, and the seconds that n0 + n votes took. `x`: (time,) float32."""
    started = time.perf_counter()
    sample(network, x, sigma, n0, classes)
    counts = sample(network, x, sigma, n, classes)
    return counts, time.perf_counter() - started


def sample(network: LogMelCnn, x: Tensor, sigma: float, n: int, classes: int) -> list[int]:
    counts = torch.zeros(classes, dtype=torch.int64)
    while n > 0:
        batch = x.repeat((min(BATCH, n), 1))
        n -= len(batch)
        votes = network(batch + sigma * torch.randn_like(batch)).argmax(1)
        counts += torch.bincount(votes, minlength=classes)
    return [int(count) for count in counts]
