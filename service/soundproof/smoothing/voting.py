"""Contract and noise -> votes: the work on blocks, cut into pieces that suit the device."""

import math
from collections.abc import Iterable, Sequence
from itertools import groupby

from torch import Tensor

from soundproof.nets.chunk import chunk_clips, chunk_for
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
    work = pieces(contract, point, plan, blocks, chunk_samples)
    results = lanes.map(counted, work) if lanes else [counted(piece) for piece in work]
    counts = {(block.stage, block.index): [0] * (1 + plan.classes) for block in blocks}
    ratios: dict[tuple[Stage, int], list[float]] = {key: [] for key in counts}
    for piece, (found, measured) in zip(work, results, strict=True):
        left = iter(measured.tolist())  # only now is the device waited for
        for draw, row in zip(piece.draws, found.tolist(), strict=True):
            key = draw.stage, draw.block
            counts[key] = [one + other for one, other in zip(counts[key], row, strict=True)]
            if draw.stage is Stage.SELECTION:
                ratios[key] += [next(left) for _ in range(draw.samples)]
    return [Votes(tuple(row[1:]), row[0], geometry(ratios[key])) for key, row in counts.items()]


def pieces(contract: Contract, point: Tensor, plan: Plan, blocks: Iterable[Block], chunk_samples: int) -> list[Piece]:
    """The work on `blocks`, stage by stage, each in chunks of one size."""
    most, size = GROUP_SAMPLES[point.device.type], chunk_clips(point.device, point.numel(), chunk_samples)
    found = []
    for stage, of_stage in groupby(blocks, lambda block: block.stage):
        chunk = chunk_for(plan.samples(stage), size)
        found += [
            Piece(contract, point, plan.sigma, plan.noise_stream, plan.classes, draws, chunk, plan.lattice)
            for draws in together(of_stage, most, chunk)
        ]
    return found


def together(blocks: Iterable[Block], most: int, size: int) -> list[tuple[Draw, ...]]:
    """What is computed at once of the blocks of one stage: draws of at most `most` samples of a block; where one does
    not fill a chunk of `size`, as many as do."""
    found: list[tuple[Draw, ...]] = []
    piece: list[Draw] = []
    for block in blocks:
        for group, first in enumerate(range(0, block.samples, most)):
            draw = Draw(block.stage, block.index, group, min(most, block.samples - first))
            if piece and sum(each.samples for each in piece) + draw.samples > size:
                found.append(tuple(piece))
                piece = []
            piece.append(draw)
    return [*found, tuple(piece)]


def geometry(ratios: Sequence[float]) -> Geometry:
    """Exact sums, so that they do not depend on how the samples were cut into chunks."""
    return Geometry(
        deviation_sum=math.fsum(abs(ratio - 1.0) for ratio in ratios),
        ratio_sum=math.fsum(ratios),
        samples=len(ratios),
    )
