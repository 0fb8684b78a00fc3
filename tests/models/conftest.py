"""What tests of training and of evaluation share: clips, a recipe, a pool without processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.models.evaluating import InThisProcess
from tests.models.made_data import write_esc, write_manifest
from tests.models.training import SAMPLES, SPEECH, read_recipe

import measurement
import workers
from recipe import Recipe


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Speech Commands in small: of every class two clips to test with."""
    return write_manifest(tmp_path_factory.mktemp("speech"), {"train": 1, "validation": 1, "test": 2})


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[InThisProcess]:
    """Evaluate without processes."""
    pool = InThisProcess()
    monkeypatch.setattr(workers, "pool", lambda *_: pool)
    yield pool
    measurement._model.cache_clear()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Speech Commands of 48 clips, 3 of each class for training (36) and 1 for validation."""
    return write_manifest(tmp_path_factory.mktemp("data"), {"train": 3, "validation": 1}, SAMPLES)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ESC-10 of 50 clips, one of each class in each fold."""
    return write_esc(tmp_path_factory.mktemp("sounds"), samples=SAMPLES)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return read_recipe(tmp_path, SPEECH.name)


@pytest.fixture
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """runs/ is under the working directory."""
    monkeypatch.chdir(tmp_path)
