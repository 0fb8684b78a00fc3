"""What tests of model folders share: a good one, to be changed."""

from pathlib import Path

import pytest
from tests.model_folders import random_linear, write_linear
from tests.nets.changed_folders import CLASSES, SAMPLES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good folder with a small linear classifier."""
    write_linear(tmp_path / "linear", *random_linear(SAMPLES, CLASSES))
    return tmp_path / "linear"
