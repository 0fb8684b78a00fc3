"""What training does to clips besides noise."""

import torch
from torch import Tensor


def shifted(waveforms: Tensor, most: int) -> Tensor:
    """Each clip moved by up to `most` samples either way, zeros moving in, brought back to its own RMS.

    (batch, time) -> (batch, time).
    """
    batch, time_samples = waveforms.shape
    offsets = torch.randint(-most, most + 1, (batch, 1))
    index = torch.arange(time_samples) - offsets
    moved = waveforms.gather(1, index.clamp(0, time_samples - 1)) * ((index >= 0) & (index < time_samples))
    before, after = waveforms.square().mean(1, keepdim=True), moved.square().mean(1, keepdim=True)
    return torch.where(after > 0.01 * before, moved * (before / after.clamp_min(1e-12)).sqrt(), waveforms)


def masked(features: Tensor, mel_bands: int, frames: int) -> Tensor:
    """One band of mel channels and one stretch of frames per clip set to the clip's mean (Park et al. 2019).

    (batch, n_mels, frames) -> same.
    """
    filled = features.mean(dim=(1, 2), keepdim=True)
    for dim, most in ((1, mel_bands), (2, frames)):
        size = features.shape[dim]
        width = torch.randint(0, most + 1, (len(features), 1), device=features.device)
        start = (torch.rand(len(features), 1, device=features.device) * (size - width)).long()
        position = torch.arange(size, device=features.device)
        inside = (position >= start) & (position < start + width)  # (batch, size)
        features = torch.where(inside.unsqueeze(3 - dim), filled, features)
    return features
