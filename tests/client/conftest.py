"""A service as the documents have it: the bundled keyword model answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import BUNDLED, Service, serving


@pytest.fixture(scope="package")
def speech(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("speech") / "log"
    with serving(models, log, SOUNDPROOF_DEFAULT_MODEL=BUNDLED.name) as running:
        yield running
