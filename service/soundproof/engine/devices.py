"""Which devices to give a worker each, found without importing torch."""

import os
import shutil
import subprocess

from soundproof.errors import InvalidPlan


def devices(wanted: str) -> tuple[str, ...]:
    """ "auto" -> every CUDA device, else one CPU worker; otherwise the comma-separated names as given.

    A CPU gets one worker: its threads already use every core.
    """
    if wanted.strip() != "auto":
        names = tuple(name.strip() for name in wanted.split(",") if name.strip())
        if not names:
            raise InvalidPlan("No device is named.", "Use auto, cpu, or a list such as cuda:0,cuda:1.")
        if len({name.partition(":")[0] for name in names}) > 1:
            raise InvalidPlan(
                f"{wanted} mixes kinds of devices, which draw different noise: a request's would depend on chance.",
                "Run one service for each kind.",
            )
        return names
    return tuple(f"cuda:{index}" for index in range(_cuda_devices())) or ("cpu",)


def _cuda_devices() -> int:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() and name.strip() != "-1"])
    command = shutil.which("nvidia-smi")
    if command is None:
        return 0
    listed = subprocess.run([command, "-L"], capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines()) if listed.returncode == 0 else 0
