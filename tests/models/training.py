"""A recipe of a few steps to train with, and what a run leaves behind."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from tests.models.made_data import RATE_HZ
from torch import Tensor

from datasets import DATASETS
from recipe import Recipe
from soundproof.nets.manifest import WEIGHTS

SAMPLES = 3_200
EPOCHS, STEPS = 2, 3
SPEECH, SOUNDS = DATASETS["speech-commands-12"], DATASETS["esc-10"]

RECIPE = f"""
name = "tiny"
version = "7"
dataset = "DATASET"
sample_rate_hz = {RATE_HZ}
clip_samples = {SAMPLES}

[gain]
policy = "rms"
target = 1.0

[front_end]
log_epsilon = 1e-3

[optimizer]
epochs = {EPOCHS}
batch = 16
learning_rate = 1e-3
weight_decay = 1e-4
gradient_clip = 1.0
autocast = []

[augmentation]
noise_sigma = [0.0, 0.02]
time_shift_samples = 160
mel_mask_bands = 8
time_mask_frames = 4

[card]
recommended_sigma = {{ waveform = 0.02, feature = 0.02 }}
licence = "Apache-2.0"
"""


def read_recipe(folder: Path, dataset: str) -> Recipe:
    (folder / "recipe.toml").write_text(RECIPE.replace("DATASET", dataset))
    return Recipe.read(folder / "recipe.toml")


def weights(folder: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = load_file(folder / WEIGHTS)
    return found


def assert_same(first: Path, second: Path) -> None:
    left, right = weights(first), weights(second)
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        assert torch.equal(right[name], tensor), name
