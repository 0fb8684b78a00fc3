"""The model that faults are injected into: quick for short questions, slow enough to be interrupted."""

from pathlib import Path

import pytest
from tests.model_folders import RMS_GAIN, random_linear, write_linear


@pytest.fixture(scope="session")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with a linear model of a whole second."""
    folder = tmp_path_factory.mktemp("models")
    write_linear(folder / "linear", *random_linear(16_000, classes=3), gain=RMS_GAIN)
    return folder
