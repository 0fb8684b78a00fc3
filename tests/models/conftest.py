"""What tests of evaluation share: clips to evaluate with, and a pool without processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.models.evaluating import InThisProcess
from tests.models.made_data import write_manifest

import measurement
import workers


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
