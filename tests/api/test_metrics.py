"""The exposition, held against Prometheus's own linter."""

import shutil
import subprocess

import pytest
from tests.conftest import Service


def test_promtool_finds_nothing_to_say_about_our_metrics(service: Service) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    with service.client() as client:
        exposition = client.get("/metrics").text
    ours = "".join(
        line for line in exposition.splitlines(keepends=True) if "soundproof_" in line and "_created" not in line
    )
    assert ours.count("# TYPE soundproof_") >= 9
    linted = subprocess.run([promtool, "check", "metrics"], input=ours, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert not linted.stdout + linted.stderr
