"""Small model folders made on disk for tests."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from soundproof.nets.classifier import LogMelCnn
from soundproof.nets.manifest import WEIGHTS, ModelManifest, Training, write_manifest
from soundproof.nets.specs import CnnSpec, LinearSpec, LogMelSpec
from soundproof.terms import Gain, GainPolicy

UNIT_GAIN = Gain(GainPolicy.NONE)
RMS_GAIN = Gain(GainPolicy.RMS, 1.0)


def write_linear(
    folder: Path, weight: Tensor, bias: Tensor, *, gain: Gain = UNIT_GAIN, rate: int = 16_000
) -> ModelManifest:
    """A linear classifier, `weight`: (classes, samples), `bias`: (classes,), under the folder's own name."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"linear.weight": weight.contiguous(), "linear.bias": bias.contiguous()}, folder / WEIGHTS)
    return write_manifest(
        folder,
        ModelManifest(
            name=folder.name,
            version="test",
            architecture=LinearSpec(),
            classes=tuple(f"class-{i}" for i in range(len(weight))),
            sample_rate_hz=rate,
            clip_samples=weight.shape[1],
            gain=gain,
            training=Training(noise_sigma=(0.0,), epochs=0, seed=0, clips=0),
            recommended_sigma={"waveform": 0.1, "feature": 0.1},
            data="none",
            data_licence="none",
            licence="Apache-2.0",
            weights_sha256="",
        ),
    )


def random_linear(samples: int, classes: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Weights and biases of a linear classifier: N(0, 1) weights, zero biases."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(classes, samples, generator=generator), torch.zeros(classes)


def write_cnn(folder: Path, *, classes: int = 3, clip_samples: int = 16_000) -> ModelManifest:
    """An untrained log-mel CNN."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    spec, front_end = CnnSpec(), LogMelSpec()
    network = LogMelCnn(spec, front_end, 16_000, classes)
    save_file({k: v.contiguous() for k, v in network.cnn.state_dict().items()}, folder / WEIGHTS)
    return write_manifest(
        folder,
        ModelManifest(
            name=folder.name,
            version="test",
            architecture=spec,
            front_end=front_end,
            classes=tuple(f"class-{i}" for i in range(classes)),
            sample_rate_hz=16_000,
            clip_samples=clip_samples,
            gain=RMS_GAIN,
            training=Training(noise_sigma=(0.0,), epochs=0, seed=0, clips=0),
            recommended_sigma={"waveform": 0.02, "feature": 0.02},
            data="none",
            data_licence="none",
            licence="Apache-2.0",
            weights_sha256="",
        ),
    )
