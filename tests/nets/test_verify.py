"""What a classifier must hold to before anything is certified with it: each broken promise is refused by its name."""

import math
from pathlib import Path

import pytest
import torch
from tests.model_folders import random_linear, write_linear
from torch import Tensor

from soundproof.errors import ModelRefused
from soundproof.nets.classifier import Linear
from soundproof.nets.folder import Model, verify
from soundproof.nets.manifest import read_manifest

SAMPLES, CLASSES = 400, 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good folder with a small linear classifier."""
    write_linear(tmp_path / "linear", *random_linear(SAMPLES, CLASSES))
    return tmp_path / "linear"


class Loudest(Linear):
    """Levels every clip by the loudest of its batch."""

    def features(self, waveform: Tensor) -> Tensor:
        return waveform / waveform.abs().amax()


class Centred(Linear):
    """Subtracts the batch's maximum from the logits: no vote changes, but they are no longer each clip's own."""

    def head(self, features: Tensor) -> Tensor:
        logits = super().head(features)
        return logits - logits.max()


class Random(Linear):
    """Adds noise of its own, less than the batch's invariance would show."""

    def head(self, features: Tensor) -> Tensor:
        logits = super().head(features)
        return logits + 1e-5 * torch.randn_like(logits)


class InLargeBatches(Linear):
    """Each clip's own logits among a few, the batch's mean among many."""

    def head(self, features: Tensor) -> Tensor:
        logits = super().head(features)
        return logits if len(logits) <= 4 else logits.mean(0, keepdim=True).expand_as(logits)


class BehindAnOffset(Linear):
    """Looks across the batch, with an offset that changes no vote but makes the difference look small."""

    def head(self, features: Tensor) -> Tensor:
        logits = super().head(features)
        return logits.mean(0, keepdim=True) + 0.1 * torch.tanh(logits) - 1e4


class BehindAMask(Linear):
    """Batch norm left in training mode, and a class masked away."""

    def head(self, features: Tensor) -> Tensor:
        logits = super().head(features)
        logits = (logits - logits.mean(0)) / (logits.var(0, unbiased=False) + 1e-5).sqrt()
        logits[:, 0] = -1e9
        return logits


class TheFirstDecides(Linear):
    def head(self, features: Tensor) -> Tensor:
        logits = super().head(features)
        return logits if len(logits) <= 4 else logits + 1e-3 * logits[:1]


class ByPlace(Linear):
    """Another function for every second clip of a large batch."""

    def head(self, features: Tensor) -> Tensor:
        logits = super().head(features)
        place = torch.arange(len(logits)).unsqueeze(1) % 2
        return logits * (1 + place * (len(logits) > 4))


class Whole(Linear):
    def head(self, features: Tensor) -> Tensor:
        return super().head(features).round().long()


class TooMany(Linear):
    def head(self, features: Tensor) -> Tensor:
        return torch.cat([super().head(features), features[:, :1]], dim=1)


class NanWhenLoud(Linear):
    def head(self, features: Tensor) -> Tensor:
        return torch.where(features.abs().amax() > 50, math.nan, super().head(features))


class Flat(Linear):
    def features(self, waveform: Tensor) -> Tensor:
        return waveform.flatten()


def probe(folder: Path, network: type[Linear]) -> None:
    verify(Model(read_manifest(folder), network(SAMPLES, CLASSES)))


@pytest.mark.parametrize(
    ("network", "named"),
    [
        (Loudest, "a clip's logits depend on the other clips of its batch"),
        (Centred, "a clip's logits depend on the other clips of its batch"),
        (InLargeBatches, "a clip's logits depend on the other clips of its batch"),
        (BehindAnOffset, "a clip's logits depend on the other clips of its batch"),
        (BehindAMask, "a clip's logits depend on the other clips of its batch"),
        (TheFirstDecides, "a clip's logits depend on the other clips of its batch"),
        (ByPlace, "a clip's logits depend on the other clips of its batch"),
        (Whole, "logits are floating-point numbers"),
        (Random, "the same clips get other logits when they are asked about again"),
        (TooMany, "the network answers 4 classes, the manifest names 3"),
        (NanWhenLoud, "logits on a probe are not finite"),
        (Flat, "the network cannot take a clip of 400 samples"),
    ],
)
def test_a_network_that_breaks_its_promise_is_refused(folder: Path, network: type[Linear], named: str) -> None:
    probe(folder, Linear)
    with pytest.raises(ModelRefused) as caught:
        probe(folder, network)
    assert named in str(caught.value)


def test_the_devices_faults_are_not_blamed_on_the_model(folder: Path) -> None:
    class Exhausting(Linear):
        def head(self, features: Tensor) -> Tensor:
            raise torch.OutOfMemoryError("no memory left")

    with pytest.raises(torch.OutOfMemoryError):
        probe(folder, Exhausting)
