"""Results on their way from a device to this process."""

from collections.abc import Sequence

import torch
from torch import Tensor


class Fetching:
    """Begun at once, so that what the device is given afterwards is not waited for."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._arriving = [_begun(tensor) for tensor in tensors]
        self._arrived = None
        devices = {tensor.device for tensor in tensors if tensor.device.type == "cuda"}
        if devices:
            [device] = devices
            self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._arrived.record(torch.cuda.current_stream(device))

    def tensors(self) -> list[Tensor]:
        """On the CPU, in their order. Waits until the device has computed them, and for nothing else."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return self._arriving


def _begun(tensor: Tensor) -> Tensor:
    if tensor.device.type != "cuda":
        return tensor.cpu()
    pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)  # others are copied while all waits
    return pinned.copy_(tensor, non_blocking=True)
