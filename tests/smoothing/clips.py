"""Clips and classifiers for tests of smoothing, without files."""

import numpy as np
import torch
from numpy.typing import NDArray
from tests.model_folders import UNIT_GAIN
from torch import Tensor

from soundproof.audio.prepare import Prepared, prepare
from soundproof.audio.waveform import Waveform
from soundproof.nets.classifier import Linear
from soundproof.terms import Gain

RATE_HZ = 16_000
Floats = NDArray[np.float64]


def prepared(samples: Floats, gain: Gain = UNIT_GAIN) -> Prepared:
    """A clip of `samples`, (time,) in amplitude, as the service prepares it for a model of that length."""
    waveform = Waveform(samples[None].astype(np.float32), RATE_HZ)
    return prepare(waveform, sample_rate_hz=RATE_HZ, clip_samples=len(samples), gain=gain)


def linear(weight: Floats, bias: Floats) -> Linear:
    """argmax(W x + b), `weight`: (classes, time), `bias`: (classes,)."""
    network = Linear(weight.shape[1], len(weight))
    with torch.no_grad():
        network.linear.weight.copy_(torch.from_numpy(weight))
        network.linear.bias.copy_(torch.from_numpy(bias))
    return network


class Sawtooth(Linear):
    """Splits its votes finely: the class is the first sample's position within a tooth, modulo the classes.

    A classifier to count with: which noise gets which vote can be said from the noise alone.
    """

    def head(self, features: Tensor) -> Tensor:
        classes = self.linear.out_features
        tooth = (features[:, 0] * 4).floor().long() % classes
        return torch.nn.functional.one_hot(tooth, classes).float()


class NanAbove(Linear):
    """Logits are NaN wherever the first sample is above `level`; else class 0 leads."""

    level = 0.25

    def head(self, features: Tensor) -> Tensor:
        logits = torch.zeros(len(features), self.linear.out_features)
        logits[:, 0] = 1.0
        logits[features[:, 0] > self.level, 1] = torch.nan
        return logits
