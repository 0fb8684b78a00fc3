"""What a process can no longer do once it is confined, tried by one that wants to."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from soundproof.audio.decode_task import DecodeTask

TASK = DecodeTask(container="flac", max_duration_s=60, max_samples=1000, memory_bytes=512 << 20, cpu_s=1, deadline_s=60)
CONFINED = """
import os, resource, socket, sys, subprocess, threading
from soundproof.audio.confinement import confine
from soundproof.audio.decode_task import DecodeTask
file = open(os.environ["FILE"], "wb", buffering=0)
confine(DecodeTask.from_json(sys.argv[1]))
"""


def confined(what: str, file: Path, task: DecodeTask = TASK) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", CONFINED + what, task.to_json()],
        env={"FILE": str(file)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("open('/etc/hostname')", "OSError: [Errno 24]"),
        ("socket.socket()", "OSError: [Errno 24]"),
        ("os.pipe()", "OSError: [Errno 24]"),
        ("os.close(0); open('/etc/hostname')", "OSError: [Errno 24]"),
        ("file.write(b'x')", "OSError: [Errno 27]"),
        ("bytearray(600 << 20)", "MemoryError"),
    ],
    ids=["file", "socket", "pipe", "in the place of another", "write", "memory"],
)
def test_nothing_new_is_opened_written_or_taken(what: str, error: str, tmp_path: Path) -> None:
    ended = confined(what, tmp_path / "file")
    assert ended.returncode == 1
    assert error in ended.stderr
    assert (tmp_path / "file").read_bytes() == b""


def test_computing_is_bounded(tmp_path: Path) -> None:
    assert confined("while True: pass", tmp_path / "file").returncode == -signal.SIGXCPU


def test_the_limits_cannot_be_raised_and_processes_are_among_them(tmp_path: Path) -> None:
    """Whom the kernel holds to the last ones: not root, as which tests may run."""
    hard = "print([resource.getrlimit(getattr(resource, 'RLIMIT_' + name))[1] for name in ('NPROC', 'NOFILE', 'CORE')])"
    assert confined(hard, tmp_path / "file").stdout == "[0, 0, 0]\n"


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_no_privileges_are_gained_and_the_parent_is_not_outlived(tmp_path: Path) -> None:
    asked = (
        "import ctypes; prctl = ctypes.CDLL(None).prctl; found = ctypes.c_int();"
        "prctl(2, ctypes.byref(found), 0, 0, 0); print(prctl(39, 0, 0, 0, 0), found.value)"
    )
    assert confined(asked, tmp_path / "file").stdout == f"1 {signal.SIGKILL:d}\n"


def test_a_signal_to_end_is_the_services_to_follow(tmp_path: Path) -> None:
    sent = "import signal; os.kill(os.getpid(), signal.SIGTERM); print('still here')"
    assert confined(sent, tmp_path / "file").stdout == "still here\n"


def test_it_ends_by_itself_where_nobody_ends_it(tmp_path: Path) -> None:
    task = DecodeTask(**{**vars(TASK), "deadline_s": 1})
    assert confined("import signal; signal.pause()", tmp_path / "file", task).returncode == -signal.SIGALRM
