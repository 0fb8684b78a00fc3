"""What a process gives up before it reads a file that anybody may have made. It cannot be taken back."""

import ctypes
import resource
import signal
import sys

from soundproof.audio.decode_task import DecodeTask

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38  # <linux/prctl.h>


def confine(task: DecodeTask) -> None:
    """From here on: bounded memory, CPU and time; no new file or socket, no byte written to a file, no core dump, no
    new process or thread (the kernel holds root to neither the last nor to hard limits), no privileges gained.

    Whatever the process needs has to be loaded by now. It ends with its parent.
    """
    limits = {
        resource.RLIMIT_AS: (task.memory_bytes, task.memory_bytes),
        resource.RLIMIT_CPU: (task.cpu_s, task.cpu_s + 1),  # SIGXCPU, and SIGKILL for whoever ignores that
        resource.RLIMIT_NOFILE: (0, 0),  # those that are open stay; to close one makes no room for another
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_NPROC: (0, 0),
        resource.RLIMIT_CORE: (0, 0),
    }
    for limit, (soft, hard) in limits.items():
        most = resource.getrlimit(limit)[1]
        unlimited = most == resource.RLIM_INFINITY
        resource.setrlimit(limit, (soft, hard) if unlimited else (min(soft, most), min(hard, most)))
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # to a whole control group: a service that drains wants its answer
    signal.alarm(task.deadline_s)  # the kernel's, should nobody be left to end it
