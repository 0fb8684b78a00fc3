"""The log-mel front end of the paper (arXiv:2606.04210, section 5)."""

import torch
import torchaudio
from torch import Tensor, nn

from soundproof.nets.specs import LogMelSpec


class LogMel(nn.Module):
    """Waveform -> natural log of mel power plus epsilon, strictly per clip.

    Nothing here looks across the batch or normalizes: a decibel conversion with a batch-wide maximum would make
    the votes of one batch depend on each other and void the certificate.
    """

    def __init__(self, spec: LogMelSpec, sample_rate_hz: int) -> None:
        super().__init__()
        self.log_epsilon = spec.log_epsilon
        self.power = torchaudio.transforms.MelSpectrogram(
            sample_rate=sample_rate_hz,
            n_fft=spec.n_fft,
            win_length=spec.window_samples,
            hop_length=spec.hop_samples,
            n_mels=spec.n_mels,
            power=2.0,
        )

    def forward(self, waveform: Tensor) -> Tensor:
        """(batch, time) float32 -> (batch, n_mels, frames) float32, nats."""
        mel: Tensor = self.power(waveform)  # (batch, n_mels, frames)
        return torch.log(mel + self.log_epsilon)
