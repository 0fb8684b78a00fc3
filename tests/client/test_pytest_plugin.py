"""The plugin as a user's pytest loads it: what passes, and what a failure tells."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import BUNDLED, YES, Service

TESTS = f"""
CLIP = {str(YES)!r}
ASKED = {{"model": {BUNDLED.name!r}, "n": 400}}

def test_holds(assert_certified):
    certificate = assert_certified(CLIP, label="yes", snr_db=75, **ASKED)
    assert certificate.snr_cert_db == 75
    assert certificate.sampling.samples_used < 400

def test_bytes_hold(assert_certified):
    assert_certified(open(CLIP, "rb").read(), label="yes", snr_db=75, **ASKED)

def test_wrong(assert_certified):
    assert_certified(CLIP, label="no", snr_db=75, **ASKED)

def test_refuted(assert_certified):
    assert_certified(CLIP, label="yes", snr_db=38, **(ASKED | {{"sigma": 1.0}}))

def test_short(assert_certified):
    assert_certified(CLIP, label="yes", snr_db=60, target_snr_db=None, **ASKED)

def test_impossible(assert_certified):
    assert_certified(CLIP, label="yes", snr_db=0, **ASKED)

def test_missing(assert_certified):
    assert_certified("nowhere.wav", label="yes", snr_db=75, **ASKED)
"""


def pytest_of(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    (folder / "test_robust.py").write_text(TESTS)
    environment = {name: value for name, value in os.environ.items() if name != "SOUNDPROOF_URL"}
    command = [sys.executable, "-m", "pytest", "-p", "soundproof.client.pytest_plugin", "-q", "-rf", str(folder)]
    return subprocess.run(
        [*command, "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(folder), *options],
        capture_output=True,
        text=True,
        env=environment | {"COLUMNS": "400"},
        timeout=120,
        check=False,
    )


def test_a_failure_tells_what_was_certified(service: Service, tmp_path: Path) -> None:
    told = pytest_of(tmp_path, "--soundproof-url", service.url).stdout
    assert "5 failed, 2 passed" in told
    asked = f"{YES} is not certified as"
    assert f"{asked} 'no' at 75 dB: it is 'yes'. With confidence 99.9 %, the smoothed classifier" in told
    assert f"{asked} 'yes' at 38 dB" in told
    assert f"{asked} 'yes' at 60 dB, only at 69.5" in told
    assert f"{asked} 'yes' at 0 dB: impossible_plan:" in told
    assert "nowhere.wav is not certified as 'yes' at 75 dB" in told
    assert "Traceback" not in told
    assert "another exception" not in told


def test_without_a_service_it_says_what_to_give(tmp_path: Path) -> None:
    told = pytest_of(tmp_path, "-k", "holds").stdout
    assert "assert_certified needs a service: --soundproof-url URL, or SOUNDPROOF_URL" in told
