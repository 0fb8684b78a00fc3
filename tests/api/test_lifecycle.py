"""How the service starts and ends, and what a killed worker means to a request over HTTP."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.conftest import YES, Service, free_port, serving
from tests.model_folders import RMS_GAIN, random_linear, write_linear

from soundproof.certificate import content_id


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Models with a linear one of a whole second, slow enough to be interrupted."""
    write_linear(tmp_path / "models" / "linear", *random_linear(16_000, classes=3), gain=RMS_GAIN)
    return tmp_path / "models"


def workers(service: Service) -> list[psutil.Process]:
    return psutil.Process(service.pid).children()


def test_a_request_whose_worker_is_killed_gets_the_same_certificate(folder: Path, tmp_path: Path) -> None:
    with serving(folder, tmp_path / "log") as service, service.client() as client:

        def certify() -> dict[str, Any]:
            answer = client.post("/certify", files={"audio": YES.read_bytes()}, data={"n": "8000", "sigma": "2"})
            certificate: dict[str, Any] = answer.raise_for_status().json()
            return certificate

        undisturbed = certify()
        answers: list[dict[str, Any]] = []
        request = threading.Thread(target=lambda: answers.append(certify()))
        drawn = votes(service)
        request.start()
        while votes(service) < drawn + 2_000:
            pass
        [worker] = workers(service)
        worker.send_signal(signal.SIGKILL)
        request.join()
        assert [other.pid for other in workers(service)] != [worker.pid]
        assert "soundproof_worker_losses_total 1.0" in client.get("/metrics").text
        assert client.get("/readyz").is_success
    [disturbed] = answers
    assert disturbed["certificate_id"] == undisturbed["certificate_id"] == content_id(disturbed)
    assert min(disturbed["sampling"]["counts"]) > 0  # at this noise every class gets votes: equality says something


def test_no_worker_outlives_a_killed_service(folder: Path, tmp_path: Path) -> None:
    with serving(folder, tmp_path / "log") as service:
        orphans = workers(service)
        assert orphans
        os.kill(service.pid, signal.SIGKILL)
        gone, alive = psutil.wait_procs(orphans, timeout=20)
        assert len(gone) == len(orphans)
        assert not alive


def test_a_terminated_service_ends_with_its_workers(folder: Path, tmp_path: Path) -> None:
    with serving(folder, tmp_path / "log") as service:
        children = workers(service)
        os.kill(service.pid, signal.SIGTERM)
        _, alive = psutil.wait_procs(children, timeout=20)
        assert not alive
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_service_without_a_good_model_says_why_and_does_not_start(tmp_path: Path) -> None:
    models = tmp_path / "models"
    write_linear(models / "bad", *random_linear(100))
    (models / "bad" / "weights.safetensors").write_bytes(b"changed")
    result = subprocess.run(
        [sys.executable, "-m", "soundproof", "serve"],
        env=os.environ | {"SOUNDPROOF_MODELS": str(models), "SOUNDPROOF_PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 4
    assert "digest" in result.stderr
    assert "Traceback" not in result.stderr


def votes(service: Service) -> float:
    with service.client() as client:
        lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("soundproof_noise_samples_total"))
