"""Several pieces of work on one device at a time."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class Lanes:
    """`count` threads, each computing by itself on one core.

    A network's layers are too small to be shared out between cores one by one: whole chunks of clips are. What a chunk
    answers then depends neither on how many cores there are nor on what they do beside it.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._threads = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """The results in order, once all of the work has ended; the first exception in that order, if there is one."""
        futures = [self._threads.submit(work, item) for item in items]
        faults = [future.exception() for future in futures]
        for fault in faults:
            if fault is not None:
                raise fault
        return [future.result() for future in futures]


def usable_cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """How many cores this process may use: those it may run on, and no more than a container's quota allows."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        most, period = quota.read_text().split()
        return max(1, min(count, int(most) // int(period)))
    except (OSError, ValueError):  # no quota, or none that is known
        return count
