"""Models of random weights for a data set's classes, as training would have left them."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tests.model_folders import RMS_GAIN
from tests.models.made_data import SAMPLES

from datasets import DATASETS
from soundproof.nets.classifier import LogMelCnn
from soundproof.nets.manifest import WEIGHTS, ModelManifest, Training, write_manifest
from soundproof.nets.specs import CnnSpec, LinearSpec, LogMelSpec


def write_linear(folder: Path, *, dataset: str, seed: int = 1, fold: int | None = None, name: str = "") -> Path:
    """A linear classifier of a data set's classes with random weights."""
    classes = DATASETS[dataset].classes
    generator = torch.Generator().manual_seed(seed)
    weight = 0.05 * torch.randn(len(classes), SAMPLES, generator=generator)
    folder.mkdir(parents=True)
    save_file({"linear.weight": weight, "linear.bias": torch.zeros(len(classes))}, folder / WEIGHTS)
    return _described(folder, name or dataset, dataset, LinearSpec(), None, seed, fold)


def write_cnn(folder: Path, *, dataset: str, name: str = "") -> Path:
    """An untrained log-mel CNN of a data set's classes."""
    torch.manual_seed(0)
    spec, front_end = CnnSpec(channels=(4, 8)), LogMelSpec()
    network = LogMelCnn(spec, front_end, 16_000, len(DATASETS[dataset].classes))
    folder.mkdir(parents=True)
    save_file({k: v.contiguous() for k, v in network.cnn.state_dict().items()}, folder / WEIGHTS)
    return _described(folder, name or dataset, dataset, spec, front_end, 1, None)


def _described(
    folder: Path, name: str, dataset: str, architecture: Any, front_end: LogMelSpec | None, seed: int, fold: int | None
) -> Path:
    write_manifest(
        folder,
        ModelManifest(
            name=name,
            version="test",
            architecture=architecture,
            front_end=front_end,
            classes=DATASETS[dataset].classes,
            sample_rate_hz=16_000,
            clip_samples=SAMPLES,
            gain=RMS_GAIN,
            training=Training(noise_sigma=(0.005,), epochs=1, seed=seed, fold=fold, clips=0),
            recommended_sigma={"waveform": 0.1, "feature": 0.1},
            data="made up",
            data_licence="none",
            licence="Apache-2.0",
            weights_sha256="",
        ),
    )
    return folder
