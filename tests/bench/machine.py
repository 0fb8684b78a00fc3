"""The machine that is measured on, in words, and what a process held of its memory."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil
from tests.bench.case import MIB


def described() -> str:
    memory = psutil.virtual_memory().total / 2**30
    versions = f"torch {version('torch')}, numpy {version('numpy')}, Python {platform.python_version()}"
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    return f"{processor()}, {os.cpu_count()} cores, {memory:.0f} GiB; {versions}; OMP_NUM_THREADS {threads}"


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def cpu_s(pid: int) -> float:
    """What a process has computed so far: seconds of cores, which waiting for a busy machine does not add to."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def forget_peak(pid: int) -> None:
    """Let a process's peak start anew from what it holds now (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_mib(pid: int) -> float:
    """The most resident memory that a process held: the kernel's own mark, so nothing between two looks is missed.

    Not ru_maxrss, which a child takes over from the process that started it.
    """
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / MIB
    raise LookupError(f"the kernel keeps no peak of process {pid}")
