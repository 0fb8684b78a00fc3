"""The peer: CERTIFY of Cohen et al. 2019 as one would write it from the paper, with the same network and noise level.

Batches of 100, torch's own Gaussian noise, the network as trained: batch norms in place, float32, default layout.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from scipy.stats import beta, norm
from tests.bench.case import Case, Outcome
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


def certify(network: LogMelCnn, x: Tensor, case: Case, classes: int, batch: int = BATCH) -> Outcome:
    """`x`: (time,) float32; `batch`: noise samples at a time."""
    selection = sample(network, x, case.sigma, case.n0, classes, batch)
    top = selection.index(max(selection))
    count = sample(network, x, case.sigma, case.n, classes, batch)[top]
    radius = certified_radius(count, case)
    return Outcome(top=top, count=count, n=case.n, votes=case.n0 + case.n, radius=radius)


def certified_radius(count: int, case: Case) -> float | None:
    """sigma * Phi^-1(p_lower), p_lower being the Clopper-Pearson bound, as the paper's own code takes it from a beta
    distribution; None where it is not above 1/2."""
    if count == 0:
        return None
    lower = float(beta.ppf(case.alpha, count, case.n - count + 1))
    return case.sigma * float(norm.ppf(lower)) if lower > 0.5 else None


@torch.no_grad()
def sample(network: LogMelCnn, x: Tensor, sigma: float, n: int, classes: int, batch: int = BATCH) -> list[int]:
    counts = torch.zeros(classes, dtype=torch.int64)
    while n > 0:
        clips = x.repeat((min(batch, n), 1))
        n -= len(clips)
        votes = network(clips + sigma * torch.randn_like(clips)).argmax(1)
        counts += torch.bincount(votes, minlength=classes)
    return [int(count) for count in counts]
