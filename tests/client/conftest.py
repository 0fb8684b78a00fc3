"""A service as the documents have it: the bundled keyword model answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.client.suites import write_suite
from tests.conftest import BUNDLED, Service, serving


@pytest.fixture(scope="package")
def speech(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("speech") / "log"
    with serving(models, log, SOUNDPROOF_DEFAULT_MODEL=BUNDLED.name) as running:
        yield running


@pytest.fixture(scope="module")
def suite(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite for `service`, whose model is the tiny one: see suites.py."""
    folder = tmp_path_factory.mktemp("suite")
    write_suite(folder, service)
    return folder
