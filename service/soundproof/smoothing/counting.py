"""One piece of work on one device: noise drawn, added, decided upon, counted. Needs torch and numpy only."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from soundproof.smoothing.lattice import Lattice
from soundproof.smoothing.lattice_noise import lattice_normal, uniform_words
from soundproof.smoothing.noise import standard_normal
from soundproof.smoothing.noise_address import Stage

INVALID = -1


class Decider(Protocol):
    """What a contract does with noised points. Nothing looks across the batch."""

    def effective(self, noised: Tensor) -> Tensor:
        """(batch, ...) noised points -> (batch, ...) what stands in their place at the classifier's door."""

    def decide(self, noised: Tensor) -> Tensor:
        """(batch, ...) float32 noised points -> (batch,) int64 votes; INVALID where logits are not finite."""


@dataclass(frozen=True)
class Draw:
    """Noise samples that are drawn at once, at one address."""

    stage: Stage
    block: int
    group: int
    samples: int


@dataclass(frozen=True)
class Piece:
    """Draws of one stage that are computed together, in chunks of `size` forward passes.

    `point`: float64, on the device to compute on; the noise around it has standard deviation `sigma`. With a
    `lattice`, of that sigma, the point lies on it and so does the noise.
    """

    decider: Decider
    point: Tensor
    sigma: float
    stream: bytes
    classes: int
    draws: tuple[Draw, ...]
    size: int
    lattice: Lattice | None = None


@torch.inference_mode()
def counted(piece: Piece) -> tuple[Tensor, Tensor]:
    """(draws, 1 + classes) int64 votes, the invalid first, and (samples,) float64 norm ratios where the draws are of
    the selection stage, (0,) else. Both on the device, which is not waited for but by lattice noise."""
    drawn = _drawn(piece)
    decided: list[Tensor] = []
    ratios: list[Tensor] = [piece.point.new_zeros(0)]
    for chunk in torch.split(drawn, piece.size):  # (at most size, ...)
        noised = _noised(piece, chunk)
        decided.append(piece.decider.decide(filled(noised, piece.size))[: len(chunk)])
        if piece.draws[0].stage is Stage.SELECTION:
            ratios.append(norm_ratios(piece.decider, piece.point, noised, _perturbation(piece, chunk)))
    return _by_draw(torch.cat(decided), piece), torch.cat(ratios)


def filled(batch: Tensor, size: int) -> Tensor:
    """(at most size, ...) -> (size, ...), the rest zeros: a network is only ever given batches of one size."""
    missing = size - len(batch)
    return torch.cat([batch, batch.new_zeros(missing, *batch.shape[1:])]) if missing else batch


def norm_ratios(decider: Decider, point: Tensor, noised: Tensor, perturbation: Tensor) -> Tensor:
    """||Delta|| / ||eps|| for every noised point: (batch,) float64.

    `noised`: (batch, ...) float32; `perturbation`: (batch, ...) float64, the noise drawn, with its sigma.
    """
    return _norms(decider.effective(noised).double() - point) / _norms(perturbation)


def votes(logits: Tensor) -> Tensor:
    """(batch, classes) logits -> (batch,) int64: the largest, or INVALID where any of them is not finite."""
    valid = logits.isfinite().all(dim=1)
    return torch.where(valid, logits.argmax(dim=1), INVALID)


def _drawn(piece: Piece) -> Tensor:
    """(samples, ...) draws of N(0, 1), float32, or for a lattice uniform words, int64; each from its own address."""
    generator = uniform_words if piece.lattice else standard_normal
    drawn = [
        generator(
            piece.stream,
            draw.stage,
            draw.block,
            (draw.samples, *piece.point.shape),
            piece.point.device,
            group=draw.group,
        )
        for draw in piece.draws
    ]
    return drawn[0] if len(drawn) == 1 else torch.cat(drawn)


def _noised(piece: Piece, drawn: Tensor) -> Tensor:
    """(batch, ...) float32: point and noise added in float64, and rounded to float32 once."""
    if piece.lattice:
        return (piece.point + _perturbation(piece, drawn)).float()
    # One pass over memory. The product is not rounded by itself where the processor multiplies and adds in one step.
    return torch.add(piece.point, drawn, alpha=piece.sigma, out=torch.empty_like(drawn))


def _perturbation(piece: Piece, drawn: Tensor) -> Tensor:
    """(batch, ...) float64 noise of standard deviation sigma."""
    return lattice_normal(piece.lattice, drawn) if piece.lattice else piece.sigma * drawn.double()


def _by_draw(decided: Tensor, piece: Piece) -> Tensor:
    """(samples,) int64 votes -> (draws, 1 + classes) int64 counts."""
    outcomes = torch.arange(INVALID, piece.classes, device=decided.device)
    of_draws = torch.split(decided.unsqueeze(1) == outcomes, [draw.samples for draw in piece.draws])
    return torch.stack([each.sum(0) for each in of_draws])


def _norms(batch: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(batch.flatten(1), dim=1)
    return norms
