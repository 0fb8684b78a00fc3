"""A real worker with a fault in its inner loop, or where it loads models: faulty_worker.py FAULT ARGUMENT FD."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from soundproof.engine import worker
from soundproof.nets import folder
from soundproof.smoothing import voting
from soundproof.smoothing.certification import Votes
from soundproof.smoothing.contracts import Contract
from soundproof.smoothing.lanes import Lanes
from soundproof.smoothing.plan import Block, Plan

real_vote_all = voting.vote_all
real_load = folder.load


def main(fault: str, argument: str, fd: str) -> None:
    first_life = fault == "first-life-holds-nothing" and not Path(argument).exists()
    if first_life:
        Path(argument).touch()

    def vote_all(
        contract: Contract, point: Tensor, plan: Plan, blocks: Sequence[Block], chunk_samples: int, lanes: Lanes
    ) -> list[Votes]:
        if first_life or (fault == "holds-at-most" and chunk_samples > int(argument)):
            raise torch.OutOfMemoryError("CUDA out of memory (injected)")
        if fault == "dies-at-sigma" and plan.sigma == float(argument):
            os.kill(os.getpid(), signal.SIGKILL)
        return real_vote_all(contract, point, plan, blocks, chunk_samples, lanes)

    def load(place: Path, device: torch.device) -> folder.Model:
        match fault:
            case "dies-loading-once" if place.name == "other" and not Path(argument).exists():
                Path(argument).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            case "has-no-memory-for" if place.name == argument:
                raise MemoryError
            case "fails-on" if place.name == argument:
                raise ValueError("injected")
        return real_load(place, device)

    setattr(voting, "vote_all", vote_all)  # noqa: B010  (worker.py calls it through the module)
    setattr(folder, "load", load)  # noqa: B010
    sys.argv = [sys.argv[0], fd]
    worker.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
