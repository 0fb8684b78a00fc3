"""A worker as a process: it takes the device that it is told, and works until the coordinator is gone."""

import logging
import os
import socket
import sys

import torch

from soundproof import __version__, logs
from soundproof.engine.orphan import end_with_parent
from soundproof.engine.protocol import Link, Ready, Start
from soundproof.engine.worker import MemoryExhausted, Worker
from soundproof.smoothing import lattice_noise, noise
from soundproof.smoothing.lanes import Lanes, usable_cores
from soundproof.smoothing.plan import BLOCK_SAMPLES, NoiseName

log = logging.getLogger("soundproof.worker")

# In one message: blocks for a GPU, draws for each core of a CPU.
CUDA_BLOCKS, CORE_DRAWS = 32, 2
# Messages that a device is given before the votes of the first are waited for, besides that one; a CPU needs none.
AHEAD = {"cpu": 0, "cuda": 1}
# Yielding to the API process keeps it answering within milliseconds while a CPU worker takes every core.
CPU_NICENESS = 10


def run(connection: socket.socket) -> None:
    """Take the device that the first message names, say Ready, serve until the coordinator is gone."""
    link = Link(connection)
    start = link.receive()
    if not isinstance(start, Start):
        raise TypeError(f"the first message must be Start, not {type(start).__name__}")
    logs.configure(start.log)
    if start.version != __version__:
        log.critical("this worker is version %s, the service %s: restart the service", __version__, start.version)
        sys.exit(1)
    device = torch.device(start.device)
    if device.type == "cpu":
        os.nice(CPU_NICENESS)
    torch.backends.cudnn.allow_tf32 = False  # else "float32" convolutions would keep 10 bits on a recent GPU
    torch.set_num_threads(1)  # work is shared out between cores by the chunk (smoothing/lanes.py), not by the layer
    lanes = Lanes((start.cores or usable_cores()) if device.type == "cpu" else 1)
    ahead = AHEAD[device.type]
    link.send(
        Ready(
            device=str(device),
            generators={
                NoiseName.FLOAT: noise.generator_name(device),
                NoiseName.LATTICE: lattice_noise.generator_name(device),
            },
            blocks_per_message=_blocks_per_message(device, lanes),
            messages=2 + ahead,  # one to work on, one to take up next
        )
    )
    Worker(link, device, lanes, ahead=ahead).serve()


def _blocks_per_message(device: torch.device, lanes: Lanes) -> int:
    """Enough work in hand to keep the device busy, little enough to drop when a client leaves."""
    if device.type == "cuda":
        return CUDA_BLOCKS
    return -(-CORE_DRAWS * lanes.count * noise.GROUP_SAMPLES["cpu"] // BLOCK_SAMPLES)


def main() -> None:
    end_with_parent()
    logs.configure(logs.Style())  # until Start says which
    try:
        run(socket.socket(fileno=int(sys.argv[1])))
    except (EOFError, KeyboardInterrupt, BrokenPipeError, ConnectionResetError):
        pass  # the coordinator is gone, and with it the reason to be
    except MemoryExhausted:
        log.critical("out of device memory at the smallest chunk")
        sys.exit(1)
