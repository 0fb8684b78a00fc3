"""The clip that the engine's tests certify."""

import numpy as np
import pytest

from soundproof.audio.waveform import Waveform

SAMPLES = 4_000


@pytest.fixture
def waveform() -> Waveform:
    samples = 0.1 * np.random.default_rng(0).standard_normal((1, SAMPLES))
    return Waveform(samples.astype(np.float32), 16_000)
