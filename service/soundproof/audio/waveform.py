"""Decoded audio: samples with their rate, and nothing else."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Sums of squares are taken block by block in float64, so that no float64 copy of a long file is ever made.
_BLOCK_FRAMES = 1 << 16


Samples = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Waveform:
    """A clip as its file holds it. Survives pickling; the samples are not to be written to.

    `samples`: (channels, frames), full scale 1; float32, or float64 where the file has more than 24 bits, so that every
    encoding is held exactly. `sample_rate_hz`: frames per second.
    """

    samples: Samples
    sample_rate_hz: int

    @property
    def channels(self) -> int:
        return int(self.samples.shape[0])

    @property
    def frames(self) -> int:
        return int(self.samples.shape[1])

    @property
    def duration_s(self) -> float:
        return self.frames / self.sample_rate_hz

    @property
    def norm(self) -> float:
        """l2 norm over all samples of all channels, summed in float64."""
        return math.sqrt(math.fsum(float(np.dot(block, block)) for block in self._blocks()))

    @property
    def digest(self) -> str:
        """SHA-256 of the rate and the samples: equal for two files of the same sound, whatever else is in them."""
        digest = hashlib.sha256(f"{self.sample_rate_hz} Hz, {self.channels} channels, {self.frames} frames".encode())
        for block in self._blocks():
            digest.update((block + 0.0).astype("<f8").tobytes())  # + 0.0: minus zero is zero
        return digest.hexdigest()

    def _blocks(self) -> Iterator[NDArray[np.float64]]:
        """All samples in float64, channel by channel, a bounded number at a time."""
        for channel in self.samples:
            for start in range(0, self.frames, _BLOCK_FRAMES):
                yield channel[start : start + _BLOCK_FRAMES].astype(np.float64)

    @property
    def peak(self) -> float:
        """The largest |sample|; 0 for a clip without samples."""
        return max(float(self.samples.max()), -float(self.samples.min())) if self.samples.size else 0.0

    @property
    def rms_dbfs(self) -> float | None:
        """Level over all channels, 0 dBFS being RMS 1 (a full-scale square wave); None for digital silence."""
        norm = self.norm
        return 20 * math.log10(norm / math.sqrt(self.samples.size)) if norm > 0 else None

    @property
    def peak_dbfs(self) -> float | None:
        """The largest |sample| against full scale 1; None for digital silence."""
        peak = self.peak
        return 20 * math.log10(peak) if peak > 0 else None
