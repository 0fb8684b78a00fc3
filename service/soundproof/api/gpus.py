"""Memory and load of the GPUs, by NVIDIA's management library where it is installed (extra `gpu`)."""

import importlib
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

log = logging.getLogger("soundproof.api")


@dataclass(frozen=True, kw_only=True)
class GpuUse:
    """`memory_used_bytes` of all processes on it; `utilization`: the share of the last moments in which it computed."""

    device: str
    memory_used_bytes: int
    memory_bytes: int
    utilization: float


class Gpus:
    """Those of `devices` that are "cuda:INDEX". Without the library, or a driver, there are none to tell of."""

    def __init__(self, devices: Iterable[str]) -> None:
        self._handles: dict[str, Any] = {}
        wanted = [device for device in devices if device.startswith("cuda")]
        if not wanted:
            return
        try:
            self._nvml = importlib.import_module("pynvml")
        except ImportError:
            log.info("the memory of GPUs is not measured: pip install 'soundproof[gpu]'")
            return
        try:
            self._nvml.nvmlInit()
            self._handles = {device: self._handle(device) for device in wanted}
        except self._nvml.NVMLError as error:
            log.warning("the memory of GPUs is not measured: %s", error)

    def use(self) -> list[GpuUse]:
        """Of each GPU that can be asked now; takes some milliseconds, on the calling thread."""
        found = []
        for device, handle in self._handles.items():
            try:
                memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
                rates = self._nvml.nvmlDeviceGetUtilizationRates(handle)
            except self._nvml.NVMLError as error:
                log.warning("%s cannot be asked for its memory: %s", device, error)
                continue
            found.append(
                GpuUse(
                    device=device,
                    memory_used_bytes=memory.used,
                    memory_bytes=memory.total,
                    utilization=rates.gpu / 100,
                )
            )
        return found

    def _handle(self, device: str) -> Any:
        """CUDA counts the GPUs that CUDA_VISIBLE_DEVICES names, by index or UUID; the library counts all."""
        index = int(device.partition(":")[2] or 0)
        visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
        name = visible[index] if index < len(visible) else str(index)
        if name.isdecimal():
            return self._nvml.nvmlDeviceGetHandleByIndex(int(name))
        return self._nvml.nvmlDeviceGetHandleByUUID(name)
