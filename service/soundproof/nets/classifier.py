"""What the smoothing layer needs of a classifier, and the architectures that a model folder may name."""

import copy
from typing import Protocol, Self

import torch
from torch import Tensor, nn

from soundproof.nets.cnn import Cnn
from soundproof.nets.logmel import LogMel
from soundproof.nets.ncnn_cnn import MOST_FEATURE, NcnnCnn, is_bounded
from soundproof.nets.specs import CnnSpec, LogMelSpec
from soundproof.terms import Precision

# Values of waveforms that the front end takes at a time on a CPU: what it makes of more falls out of a core's cache.
FRONT_END_VALUES = 4 * 16_000


class Classifier(Protocol):
    """A base classifier f = head o features. Neither half may look across the batch."""

    def features(self, waveform: Tensor) -> Tensor:
        """(batch, time) float32, waveform amplitude -> (batch, ...) float32 features."""

    def head(self, features: Tensor) -> Tensor:
        """(batch, ...) float32 features -> (batch, classes) logits."""


class LogMelCnn(nn.Module):
    precision = Precision.FLOAT32

    def __init__(self, spec: CnnSpec, front_end: LogMelSpec, sample_rate_hz: int, classes: int) -> None:
        super().__init__()
        self.log_mel = LogMel(front_end, sample_rate_hz)
        self.cnn = Cnn(classes, spec.channels)
        self.ncnn: NcnnCnn | None = None  # what computes `head`, where it is not torch

    def features(self, waveform: Tensor) -> Tensor:
        if waveform.device.type != "cpu":
            features: Tensor = self.log_mel(waveform)
            return features
        clips = max(1, FRONT_END_VALUES // waveform.shape[1])
        return torch.cat([self.log_mel(part) for part in torch.split(waveform, clips)])

    def head(self, features: Tensor) -> Tensor:
        if self.ncnn is None:
            return self._head(features)
        logits = self.ncnn.logits(features)
        within = features.abs().flatten(1).amax(1, keepdim=True) <= MOST_FEATURE  # False where not a number
        return logits if within.all() else torch.where(within, logits, self._head(features))

    def _head(self, features: Tensor) -> Tensor:
        logits: Tensor = self.cnn(features.to(self.cnn.linear.weight.dtype))
        return logits.float()

    def forward(self, waveform: Tensor) -> Tensor:
        """(batch, time) -> (batch, classes) logits, always by torch: for training and exports."""
        logits: Tensor = self.cnn(self.log_mel(waveform))
        return logits

    def at(self, precision: Precision) -> Self:
        """The same network with its weights rounded to `precision`, in which it computes behind the front end."""
        other = copy.deepcopy(self)
        other.precision = precision
        other.ncnn = self.ncnn if precision is Precision.FLOAT32 else None
        other.cnn.to(getattr(torch, precision.value))
        return other

    def optimize(self, device: torch.device) -> None:
        """Fold constants and choose what convolutions run fastest in on `device`. For inference only."""
        self.cnn.fold()
        self.ncnn = NcnnCnn(self.cnn) if device.type == "cpu" and is_bounded(self.cnn) else None
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

    def optimize(self, _: torch.device) -> None:
        self.eval()
