"""How many clips a network is given at a time. No more than one block; the same number every time, padded where fewer
are left, because it is at this very number that a model is held to answer each clip by itself (nets/folder.py)."""

import torch

MOST_CLIPS = {"cpu": 32, "cuda": 128}
# Values (time samples, or mel bands x frames) in a chunk on a CPU: what lies beyond falls out of its caches.
CPU_VALUES = 32 * 16_000


def chunk_clips(device: torch.device, values: int) -> int:
    """Clips in a chunk, a power of two; `values`: how many numbers a clip, or its features, has."""
    most = MOST_CLIPS[device.type]
    if device.type == "cpu":
        most = max(1, min(most, CPU_VALUES // values))
    return 1 << (most.bit_length() - 1)
