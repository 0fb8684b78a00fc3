"""Processes that work through a list side by side, each at home on one device."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue

import torch

_home = "cpu"


@contextmanager
def pool(devices: Sequence[str], threads: int) -> Iterator[ProcessPoolExecutor]:
    """One process for each of `devices`, which may name one more than once; `threads` for each on the CPU.

    What ends the block early, an error or Ctrl-C, ends the work: what was begun is broken off, nothing else is begun.
    """
    context = get_context("spawn")
    homes: SimpleQueue[str] = context.SimpleQueue()
    for device in devices:
        homes.put(device)
    before = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(len(devices), context, initializer=_settle, initargs=(homes, threads))
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        processes = set(multiprocessing.active_children()) - before
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()
        raise
    executor.shutdown()


def home() -> str:
    """The device that this process is at home on."""
    return _home


def _settle(homes: "SimpleQueue[str]", threads: int) -> None:
    global _home  # noqa: PLW0603  (one a process, set once before any work)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first of them ends the others
    _home = homes.get()
    torch.set_num_threads(threads)


def _end_with_parent() -> None:
    """A parent that was killed ends nothing itself; its processes would hold their memory for good."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
