"""Contract and noise -> votes: the work on blocks, cut into pieces that suit the device."""

import math
from collections.abc import Sequence
from itertools import groupby

from torch import Tensor

from soundproof.nets.chunk import chunk_clips
from soundproof.smoothing.certification import Geometry, Votes
from soundproof.smoothing.contracts import Contract
from soundproof.smoothing.counting import Draw, Piece, counted
from soundproof.smoothing.lanes import Lanes
from soundproof.smoothing.noise import GROUP_SAMPLES
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import Block, Plan


def vote(contract: Contract, point: Tensor, plan: Plan, block: Block, chunk_samples: int) -> Votes:
    """The votes of one block of noise around `point`, on the calling thread; see `vote_all`."""
    [votes] = vote_all(contract, point, plan, [block], chunk_samples)
    return votes


def vote_all(  # noqa: PLR0913
    contract: Contract,
    point: Tensor,
    plan: Plan,
    blocks: Sequence[Block],
    chunk_samples: int,
    lanes: Lanes | None = None,
) -> list[Votes]:
    """The votes of several blocks of noise around `point`, in order, at most `chunk_samples` forward passes at a time.

    `point`: what the plan's noise is drawn around (contracts.centre), float64, on the device to compute on.
    `lanes`: the threads to share the work out to.
    The noise depends on the plan and the block only, never on how the work is cut. Each noised point is rounded once,
    from float64 to float32.
    """
    size = chunk_clips(point.device, point.numel(), chunk_samples)
    pieces = [
        Piece(contract, point, plan.sigma, plan.noise_stream, plan.classes, draws, size, plan.lattice)
        for draws in together(blocks, GROUP_SAMPLES[point.device.type], size)
    ]
    results = lanes.map(counted, pieces) if lanes else [counted(piece) for piece in pieces]
    counts = {(block.stage, block.index): [0] * (1 + plan.classes) for block in blocks}
    ratios: dict[tuple[Stage, int], list[float]] = {key: [] for key in counts}
    for piece, (found, measured) in zip(pieces, results, strict=True):
        left = iter(measured.tolist())  # only now is the device waited for
        for draw, row in zip(piece.draws, found.tolist(), strict=True):
            key = draw.stage, draw.block
            counts[key] = [one + other for one, other in zip(counts[key], row, strict=True)]
            if draw.stage is Stage.SELECTION:
                ratios[key] += [next(left) for _ in range(draw.samples)]
    return [Votes(tuple(row[1:]), row[0], geometry(ratios[key])) for key, row in counts.items()]


def together(blocks: Sequence[Block], most: int, size: int) -> list[tuple[Draw, ...]]:
    """What is computed at once: draws of at most `most` samples of a block; where one does not fill a chunk of `size`,
    as many of one stage as do."""
    draws = [
        Draw(block.stage, block.index, group, min(most, block.samples - group * most))
        for block in blocks
        for group in range(-(-block.samples // most))
    ]
    pieces: list[tuple[Draw, ...]] = []
    for _, of_stage in groupby(draws, lambda draw: draw.stage):
        piece: list[Draw] = []
        for draw in of_stage:
            if piece and sum(each.samples for each in piece) + draw.samples > size:
                pieces.append(tuple(piece))
                piece = []
            piece.append(draw)
        pieces.append(tuple(piece))
    return pieces


def geometry(ratios: Sequence[float]) -> Geometry:
    """Exact sums, so that they do not depend on how the samples were cut into chunks."""
    return Geometry(
        deviation_sum=math.fsum(abs(ratio - 1.0) for ratio in ratios),
        ratio_sum=math.fsum(ratios),
        samples=len(ratios),
    )
