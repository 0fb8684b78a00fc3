"""Processes side by side: each at home on its device, and gone when the work ends, however it ends."""

import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import psutil
import pytest
from tests.conftest import ROOT

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


KILLED = """
import os, time
import workers

if __name__ == "__main__":
    with workers.pool(["cpu"], threads=1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 3600)
        os.kill(os.getpid(), 9)
"""


def test_processes_end_with_the_one_they_work_for(tmp_path: Path) -> None:
    """Killed, it cannot end them itself."""
    (tmp_path / "killed.py").write_text(KILLED)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "models")}
    command = [sys.executable, str(tmp_path / "killed.py")]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False, timeout=PATIENCE_S)
    assert done.returncode == -9
    worker, deadline = int(done.stdout), time.monotonic() + PATIENCE_S
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the process is still there"
        time.sleep(0.05)


def test_without_a_pool_home_is_the_cpu() -> None:
    assert workers.home() == "cpu"
