"""A network in another precision than it was saved in: a classifier of its own, close to the first."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.conftest import BUNDLED
from tests.heard import heard
from tests.model_folders import random_linear, write_linear
from torch import Tensor

from soundproof.errors import ModelRefused
from soundproof.nets import folder
from soundproof.nets.classifier import LogMelCnn
from soundproof.nets.folder import Model, at, load
from soundproof.terms import Precision

CPU = torch.device("cpu")
NOISE_SAMPLES, SIGMA = 256, 0.02


@pytest.fixture(scope="module")
def model() -> Model:
    return load(BUNDLED)


@pytest.fixture(scope="module")
def noised(model: Model) -> Tensor:
    """(samples, time): the bundled clip under noise."""
    manifest = model.manifest
    clip = heard(manifest)
    generator = torch.Generator().manual_seed(0)
    return clip.x.float() + SIGMA * torch.randn(NOISE_SAMPLES, manifest.clip_samples, generator=generator)


@torch.inference_mode()
def test_bfloat16_computes_in_bfloat16_behind_a_front_end_in_float32(model: Model, noised: Tensor) -> None:
    half = at(model, Precision.BFLOAT16, CPU)
    assert isinstance(half.classifier, LogMelCnn)
    assert half.precision is Precision.BFLOAT16
    assert {weight.dtype for weight in half.classifier.cnn.parameters()} == {torch.bfloat16}
    features = half.classifier.features(noised[:8])
    assert torch.equal(features, model.classifier.features(noised[:8]))
    logits, full = half.classifier.head(features), model.classifier.head(features)
    assert logits.dtype == torch.float32
    difference = (logits - full).abs().max() / full.abs().max()
    assert 1e-5 < difference < 0.02  # eight bits of mantissa a layer, no more and no less


@torch.inference_mode()
def test_nearly_all_votes_are_the_same_in_bfloat16(model: Model, noised: Tensor) -> None:
    half = at(model, Precision.BFLOAT16, CPU)
    features = model.classifier.features(noised)
    same = model.classifier.head(features).argmax(1) == half.classifier.head(features).argmax(1)
    assert same.float().mean() >= 0.99


def test_the_model_that_was_loaded_stays_in_float32(model: Model) -> None:
    at(model, Precision.BFLOAT16, CPU)
    assert isinstance(model.classifier, LogMelCnn)
    assert {weight.dtype for weight in model.classifier.cnn.parameters()} == {torch.float32}


def test_a_model_that_fails_in_that_precision_is_refused(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def overflowing(_: LogMelCnn, features: Tensor) -> Tensor:
        return torch.full((len(features), len(model.manifest.classes)), torch.inf)

    monkeypatch.setattr(LogMelCnn, "head", overflowing)
    with pytest.raises(ModelRefused, match="not finite"):
        at(model, Precision.BFLOAT16, CPU)


def test_a_batch_that_mixes_its_clips_is_noticed_in_bfloat16_too(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    head = LogMelCnn.head

    def mixing(self: LogMelCnn, features: Tensor) -> Tensor:
        logits = head(self, features)
        return logits + 0.1 * logits.mean(0)

    half = replace(model, classifier=model.classifier.at(Precision.BFLOAT16), precision=Precision.BFLOAT16)  # type: ignore[attr-defined]
    monkeypatch.setattr(LogMelCnn, "head", mixing)
    with pytest.raises(ModelRefused, match="other clips"):
        folder.verify(half, CPU)


def test_others_networks_are_run_in_float32_only(tmp_path: Path) -> None:
    write_linear(tmp_path / "linear", *random_linear(400))
    linear = load(tmp_path / "linear")
    assert linear.manifest.precisions == (Precision.FLOAT32,)
    with pytest.raises(ModelRefused, match="cannot compute in bfloat16"):
        at(linear, Precision.BFLOAT16, CPU)
