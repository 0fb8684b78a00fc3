"""How many clips a network is given at a time. The same number for all votes of a stage, padded where fewer are left,
because it is at this very number that a model is held to answer each clip by itself (nets/folder.py)."""

import torch

# At most; a network of our own is known to be small beside a GPU's memory.
MOST_CLIPS = {"cpu": 16, "cuda": 128}
MOST_CLIPS_OF_OUR_OWN = {"cpu": 16, "cuda": 1024}
# Values (time samples, or mel bands x frames) in a chunk: what lies beyond falls out of a core's caches, or takes a
# gigabyte of a GPU's memory for one layer.
MOST_VALUES = {"cpu": 16 * 16_000, "cuda": 1024 * 16_000}
# What a large chunk would be mostly padding for, selection votes above all, is computed in chunks of these.
FEW_CLIPS = 128


def chunk_clips(device: torch.device, values: int, most: int) -> int:
    """Clips in a chunk, a power of two and at most `most`; `values`: how many numbers a clip, or its features, has."""
    clips = max(1, min(most, MOST_VALUES[device.type] // values))
    return 1 << (clips.bit_length() - 1)


def chunk_for(clips: int, size: int) -> int:
    """What chunks of `size` become where there are only so many clips to compute in all."""
    return min(size, FEW_CLIPS) if clips <= FEW_CLIPS else size


def chunk_sizes(size: int) -> set[int]:
    """All that chunks of `size` can become."""
    return {size, min(size, FEW_CLIPS)}
