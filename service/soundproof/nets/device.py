"""Whether torch can compute on a device."""

import torch


def check_device(name: str) -> None:
    """ValueError, with torch's reason, for a device that it does not know or that is not there."""
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {name}: {str(error).partition(chr(10))[0]}") from error
