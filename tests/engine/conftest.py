"""The clip that the engine's tests certify, and the model they certify it with."""

from pathlib import Path

import numpy as np
import pytest
from tests.model_folders import RMS_GAIN, random_linear, write_linear

from soundproof.audio.waveform import Waveform

SAMPLES = 4_000


@pytest.fixture
def waveform() -> Waveform:
    samples = 0.1 * np.random.default_rng(0).standard_normal((1, SAMPLES))
    return Waveform(samples.astype(np.float32), 16_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "linear"
    write_linear(folder, *random_linear(SAMPLES, classes=3), gain=RMS_GAIN)
    return folder
