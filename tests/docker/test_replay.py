"""The Dockerfile's steps, carried out: minutes and many GB, so by hand or with -m slow."""

import os
import subprocess

import pytest
from tests.conftest import ROOT


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: overlays are mounted")
def test_the_dockerfile_can_be_replayed() -> None:
    done = subprocess.run(
        [ROOT / "docker" / "replay.sh", "--target", "cpu"], capture_output=True, text=True, timeout=3600, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
