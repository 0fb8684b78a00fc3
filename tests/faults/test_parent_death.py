"""The API process is gone: its worker goes with it, also when it cannot notice by itself."""

import os
import signal
from pathlib import Path

import psutil
from tests.conftest import serving
from tests.faults.injecting import ended, under_way, worker_of


def test_a_worker_that_hangs_ends_with_a_service_that_is_killed(linear: Path, tmp_path: Path) -> None:
    """tests/api/test_lifecycle.py has the same for one that works."""
    with serving(linear, tmp_path / "log") as service, under_way(service, n="1000000") as asked:
        worker, process = worker_of(service), psutil.Process(service.pid)
        worker.send_signal(signal.SIGSTOP)
        os.kill(service.pid, signal.SIGKILL)
        assert ended(process, 10)
        assert ended(worker, 10)
        assert asked.exception(10) is not None  # the connection is gone, and nothing pretends otherwise
