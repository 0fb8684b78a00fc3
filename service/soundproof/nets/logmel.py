"""The log-mel front end of the paper (arXiv:2606.04210, section 5)."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor, nn

if TYPE_CHECKING:
    from soundproof.nets.specs import LogMelSpec


class LogMel(nn.Module):
    """Waveform -> natural log of mel power plus epsilon, strictly per clip.

    Nothing here looks across the batch or normalizes: a decibel conversion with a batch-wide maximum would make
    the votes of one batch depend on each other and void the certificate.

    What torchaudio's MelSpectrogram computes (power 2, centred, reflected edges, HTK filters), with fewer passes over
    memory: only the part of a frame that its window leaves is cut out, and the power comes without a modulus.
    """

    window: Tensor  # (window_samples,)
    filters: Tensor  # (n_fft / 2 + 1, n_mels)

    def __init__(self, spec: "LogMelSpec", sample_rate_hz: int) -> None:
        super().__init__()
        self.spec = spec
        bins = spec.n_fft // 2 + 1
        filters = torchaudio.functional.melscale_fbanks(bins, 0.0, sample_rate_hz / 2, spec.n_mels, sample_rate_hz)
        self.register_buffer("window", torch.hann_window(spec.window_samples), persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """(batch, time) float32 -> (batch, n_mels, frames) float32, nats."""
        spec = self.spec
        start = (spec.n_fft - spec.window_samples) // 2  # where the window begins in a frame of n_fft
        padded = F.pad(waveform.unsqueeze(1), (spec.n_fft // 2, spec.n_fft // 2), mode="reflect").squeeze(1)
        frames = padded.unfold(1, spec.n_fft, spec.hop_samples)[..., start : start + spec.window_samples]
        spectrum = torch.fft.rfft(frames * self.window, spec.n_fft)  # (batch, frames, bins); a shift leaves power as is
        mel = (spectrum.real.square() + spectrum.imag.square()) @ self.filters  # (batch, frames, n_mels)
        return torch.log(mel + spec.log_epsilon).transpose(1, 2)
