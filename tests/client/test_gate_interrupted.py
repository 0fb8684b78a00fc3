"""`soundproof gate` that is interrupted, or whose service dies, and goes on from there."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from xml.etree import ElementTree

from tests.client.suites import CLIPS, EASY, gate, lasting
from tests.conftest import Service, serving
from tests.test_cli import run


def test_an_interrupted_run_goes_on_and_ends_as_an_undisturbed_one(
    service: Service, suite: Path, tmp_path: Path
) -> None:
    options = ["--at-snr", "82", "--sigma", "0.002", "--n", "2000", "--curve", "--url", service.url]
    options += ["--min-certified-accuracy", "0.8"]

    def outputs(name: str) -> list[str]:
        return [f"--{kind}={tmp_path / f'{name}.{kind}'}" for kind in ("jsonl", "junit", "markdown", "html")]

    command = [sys.executable, "-m", "soundproof", "gate", str(suite), *options, *outputs("cut"), "--parallel", "1"]
    journal = tmp_path / "cut.jsonl"
    assert "the same command goes on from there" in _interrupted(command, journal, lines=4)
    known = len(journal.read_bytes().splitlines()) - 1
    assert 3 <= known < CLIPS
    # As a power cut leaves it: the last line half written.
    journal.write_bytes(journal.read_bytes()[:-100])

    again = run("gate", str(suite), *options, *outputs("cut"))
    whole = run("gate", str(suite), *options, *outputs("whole"))
    assert again.returncode == whole.returncode == 0, again.stderr
    assert f"{known - 1} of them known already" in again.stderr
    assert lasting(journal) == lasting(tmp_path / "whole.jsonl")
    for kind in ("markdown", "html"):
        assert (tmp_path / f"cut.{kind}").read_text() == (tmp_path / f"whole.{kind}").read_text()
    untimed = [
        [(case.attrib["name"], [fault.attrib for fault in case]) for case in ElementTree.parse(path).iter("testcase")]  # noqa: S314
        for path in (tmp_path / "cut.junit", tmp_path / "whole.junit")
    ]
    assert untimed[0] == untimed[1]

    before = _certifications(service)
    third = run("gate", str(suite), *options, *outputs("cut"))
    assert third.returncode == 0
    assert "24 of them known already" in third.stderr
    assert _certifications(service) == before


def _certifications(service: Service) -> list[str]:
    with service.client() as client:
        lines_ = client.get("/metrics").text.splitlines()
    return [line for line in lines_ if line.startswith("soundproof_certifications_total")]


def _wait_for(done: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_service_that_is_full_and_then_dies_costs_time_and_no_answer(
    models: Path, suite: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "run.jsonl"
    options = ["--min-certified-accuracy", "0.8", "--at-snr", "82", "--sigma", "0.002", "--n", "1500", "--curve"]
    options += ["--jsonl", str(journal), "--parallel", "8"]
    with serving(models, tmp_path / "log", SOUNDPROOF_QUEUE_RUNS="1") as full:
        command = [sys.executable, "-m", "soundproof", "gate", str(suite), *options, "--url", full.url]
        with subprocess.Popen([*command, "--patience", "20"], stderr=subprocess.PIPE, text=True) as first:
            _wait_for(lambda: journal.exists() and len(journal.read_bytes().splitlines()) >= 4, first)
            os.kill(full.pid, signal.SIGKILL)
            _, told = first.communicate(timeout=120)
    assert first.returncode == 3, told
    assert "429 queue_full" in told  # eight at a time, one of them admitted
    assert "cannot be reached" in told
    assert "the same command goes on from there" in told
    known = len(journal.read_bytes().splitlines()) - 1
    assert known >= 3
    with serving(models, tmp_path / "log") as again:
        done = run("gate", str(suite), *options, "--url", again.url)
    assert done.returncode == 0, done.stderr
    assert f"{known} of them known already" in done.stderr


def test_an_interrupt_ends_the_local_engine_too(suite: Path, models: Path, tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    command = [
        sys.executable,
        "-m",
        "soundproof",
        "gate",
        str(suite),
        "--min-certified-accuracy",
        "0.8",
        "--at-snr",
        "82",
    ]
    command += ["--sigma", "0.002", "--n", "2500", "--curve", "--parallel", "1", "--jsonl", str(journal)]
    environment = os.environ | {"SOUNDPROOF_MODELS": str(models)}
    assert "Interrupted. What was answered is in" in _interrupted(command, journal, lines=2, environment=environment)


def test_a_run_that_asked_something_else_is_not_gone_on_with(service: Service, suite: Path, tmp_path: Path) -> None:
    asked = ["--at-snr", "82", "--url", service.url, f"--jsonl={tmp_path / 'run.jsonl'}", "--limit", "2"]
    assert gate(suite, *asked, *EASY, least=0.0).returncode == 0
    other = gate(suite, *asked, "--sigma", "0.003", "--n", "150", least=0.0)
    assert other.returncode == 64
    assert "sigma 0.002, now 0.003" in other.stderr
    assert gate(suite, *asked, "--sigma", "0.003", "--n", "150", "--fresh", least=0.0).returncode == 0


def _interrupted(command: list[str], journal: Path, *, lines: int, environment: Mapping[str, str] | None = None) -> str:
    """What a run says that is interrupted once its journal has so many lines."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as run:
        _wait_for(lambda: journal.exists() and len(journal.read_bytes().splitlines()) >= lines, run)
        run.send_signal(signal.SIGINT)
        _, told = run.communicate(timeout=60)
    assert run.returncode == 130, told
    assert "Traceback" not in told
    return told
