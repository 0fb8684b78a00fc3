"""The device's memory does not hold a chunk (simulated in the worker): it is halved; at worst one request fails."""

import sys
from pathlib import Path

import pytest
from tests.api.attack import certificate, metric, problem, wait_for
from tests.conftest import serving
from tests.faults.injecting import certify, readiness

PROGRAM = (sys.executable, str(Path(__file__).with_name("changed_service.py")), "worker")


def test_scarce_device_memory_costs_time_and_no_certificate(linear: Path, tmp_path: Path) -> None:
    """tests/engine/test_pool.py compares the outcome with an undisturbed one."""
    scarce = (*PROGRAM, "holds-at-most", "8")
    with serving(linear, tmp_path / "log", program=scarce) as service, service.client() as client:
        certificate(certify(client))
        assert metric(service, "soundproof_memory_halvings_total") >= 1
        assert metric(service, "soundproof_worker_losses_total") == 0


@pytest.mark.slow
def test_memory_that_holds_nothing_fails_its_request_with_a_reason_and_the_service_stays(
    linear: Path, tmp_path: Path
) -> None:
    none = (*PROGRAM, "holds-at-most", "0")
    with serving(linear, tmp_path / "log", program=none) as service, service.client() as client:
        problem(certify(client), 503, "device_memory_exhausted")
        assert metric(service, "soundproof_certifications_total", outcome="failed") == 1
        assert metric(service, "soundproof_queue_depth") == 0
        assert client.get("/livez").is_success
        assert wait_for(lambda: readiness(client) in (200, 503))
