"""Processes side by side: each at home on its device, and gone when the work ends, however it ends."""

import multiprocessing
import os
import time
from concurrent.futures import Future, wait
from concurrent.futures.process import BrokenProcessPool

import pytest

import workers

LONG_S = 3600.0
PATIENCE_S = 60.0


def test_each_process_has_its_device_and_ctrl_c_ends_them_all() -> None:
    """The devices are only names here. What Ctrl-C finds at work is broken off, what waits is never begun."""
    before = set(multiprocessing.active_children())
    waiting: list[Future[None]] = []
    homes: set[str] = set()
    started = time.monotonic()

    def work() -> None:
        with workers.pool(["cuda:0", "cuda:1"], threads=1) as pool:
            while len(homes) < 2 and time.monotonic() < started + PATIENCE_S:
                homes.update(future.result() for future in [pool.submit(workers.home) for _ in range(8)])
            waiting.extend(pool.submit(time.sleep, LONG_S) for _ in range(20))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert homes == {"cuda:0", "cuda:1"}
    assert time.monotonic() < started + LONG_S / 10
    assert set(multiprocessing.active_children()) <= before
    begun = [future for future in waiting if not future.cancelled()]
    assert len(begun) < 10
    assert not wait(begun, PATIENCE_S).not_done


def test_a_process_that_dies_is_an_error_and_not_a_wait() -> None:
    with pytest.raises(BrokenProcessPool), workers.pool(["cpu"], threads=1) as pool:
        pool.submit(os._exit, 1).result(PATIENCE_S)


def test_without_a_pool_home_is_the_cpu() -> None:
    assert workers.home() == "cpu"
