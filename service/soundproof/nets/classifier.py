"""What the smoothing layer needs of a classifier, and the architectures that a model folder may name."""

from typing import Protocol

import torch
from torch import Tensor, nn

from soundproof.nets.cnn import Cnn
from soundproof.nets.logmel import LogMel
from soundproof.nets.specs import CnnSpec, LogMelSpec


class Classifier(Protocol):
    """A base classifier f = head o features. Neither half may look across the batch."""

    def features(self, waveform: Tensor) -> Tensor:
        """(batch, time) float32, waveform amplitude -> (batch, ...) float32 features."""

    def head(self, features: Tensor) -> Tensor:
        """(batch, ...) float32 features -> (batch, classes) logits."""


class LogMelCnn(nn.Module):
    def __init__(self, spec: CnnSpec, front_end: LogMelSpec, sample_rate_hz: int, classes: int) -> None:
        super().__init__()
        self.log_mel = LogMel(front_end, sample_rate_hz)
        self.cnn = Cnn(classes, spec.channels)

    def features(self, waveform: Tensor) -> Tensor:
        features: Tensor = self.log_mel(waveform)
        return features

    def head(self, features: Tensor) -> Tensor:
        logits: Tensor = self.cnn(features)
        return logits

    def forward(self, waveform: Tensor) -> Tensor:
        return self.head(self.features(waveform))

    def optimize(self) -> None:
        """Fold constants and choose the memory layout that convolutions run fastest in. For inference only."""
        self.cnn.fold()
        self.cnn.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class Linear(nn.Module):
    """logits = W x + b; the features are the waveform itself."""

    def __init__(self, clip_samples: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(clip_samples, classes)

    def features(self, waveform: Tensor) -> Tensor:
        return waveform

    def head(self, features: Tensor) -> Tensor:
        logits: Tensor = self.linear(features)
        return logits

    def forward(self, waveform: Tensor) -> Tensor:
        return self.head(self.features(waveform))

    def optimize(self) -> None:
        self.eval()
