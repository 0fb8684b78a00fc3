"""A real worker with a fault in its inner loop, or where it loads models, or one that works ahead as on a GPU:
faulty_worker.py FAULT ARGUMENT FD."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from soundproof.engine import worker_process
from soundproof.nets import folder
from soundproof.smoothing import voting
from soundproof.smoothing.contracts import Contract
from soundproof.smoothing.lanes import Lanes
from soundproof.smoothing.plan import Block, Plan

real_begin = voting.begin
real_load = folder.load


def main(fault: str, argument: str, fd: str) -> None:
    first_life = fault == "first-life-holds-nothing" and not Path(argument).exists()
    if first_life:
        Path(argument).touch()

    def begin(
        contract: Contract, point: Tensor, plan: Plan, blocks: Sequence[Block], chunk_samples: int, lanes: Lanes
    ) -> voting.Begun:
        if first_life or (fault == "holds-at-most" and chunk_samples > int(argument)):
            raise torch.OutOfMemoryError("CUDA out of memory (injected)")
        if fault == "dies-at-sigma" and plan.sigma == float(argument):
            os.kill(os.getpid(), signal.SIGKILL)
        return real_begin(contract, point, plan, blocks, chunk_samples, lanes)

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

    if fault == "works-ahead":
        worker_process.AHEAD["cpu"] = int(argument)
    setattr(voting, "begin", begin)  # noqa: B010  (engine/worker.py calls it through the module)
    setattr(folder, "load", load)  # noqa: B010
    sys.argv = [sys.argv[0], fd]
    worker_process.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
