"""What every attack is measured by."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.api.attack import GOOD, certificate, metric, upload
from tests.conftest import Service, serving

MOST_RSS_BYTES = 250 << 20


@pytest.fixture(scope="session")
def formats(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that reads every other format too, with a short deadline for it."""
    log = tmp_path_factory.mktemp("formats") / "log"
    settings = {"SOUNDPROOF_FORMATS": "flac, ogg,mp3", "SOUNDPROOF_DECODE_DEADLINE_S": "6"}
    with serving(models, log, port=None, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def unharmed(service: Service) -> Iterator[None]:
    """After the module the service is the process it was, gives the same certificate, and has never failed."""
    process = psutil.Process(service.pid)
    before = certificate(upload(service, GOOD))["certificate_id"]
    failures, losses = failed(service), metric(service, "soundproof_worker_losses_total")
    tracebacks = service.log.read_text().count("Traceback")
    yield
    assert certificate(upload(service, GOOD))["certificate_id"] == before
    assert process.is_running()
    assert process.status() != psutil.STATUS_ZOMBIE
    assert failed(service) == failures
    assert metric(service, "soundproof_worker_losses_total") == losses
    assert metric(service, "soundproof_queue_depth") == 0
    assert service.log.read_text().count("Traceback") == tracebacks
    assert process.memory_info().rss < MOST_RSS_BYTES


def failed(service: Service) -> float:
    """How many requests the service has answered with an error of its own."""
    return sum(metric(service, "soundproof_http_requests_total", status=str(status)) for status in (500, 502, 503))
