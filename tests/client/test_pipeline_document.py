"""docs/qa-pipeline.md: its CI definitions have the right shape, and their commands do what they say."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from tests.conftest import ROOT, YES, Service

from soundproof import gate_commands
from soundproof.client.gate.decision import Outcome
from soundproof.client.gate.journal import read_run

TEXT = (ROOT / "docs" / "qa-pipeline.md").read_text()
SPEECH = ROOT.parent / "shared" / "data" / "speech_commands" / "clips"
# Of each of these words the first two clips hold at 70 dB, with votes to spare.
WORDS = ("go", "left", "no", "off", "on", "right", "stop")
# A part of the suite: seconds instead of minutes.
FEW = "--per-class 1"


def definitions() -> tuple[dict[Any, Any], dict[Any, Any]]:
    """What the document has for GitHub and for GitLab."""
    github, gitlab = (yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.M | re.S))
    assert isinstance(github, dict)
    assert isinstance(gitlab, dict)
    return github, gitlab


def github_steps() -> list[dict[str, Any]]:
    [job] = definitions()[0]["jobs"].values()
    steps: list[dict[str, Any]] = job["steps"]
    return steps


def gitlab_script() -> list[str]:
    [job] = definitions()[1].values()
    script: list[str] = job["script"]
    return script


def commands(lines: list[str]) -> Iterator[str]:
    """All but the installation, which is this one."""
    for line in lines:
        if not line.startswith("pip install"):
            yield line


SCRIPTS = {
    "github": list(commands([step["run"] for step in github_steps() if "run" in step])),
    "gitlab": list(commands(gitlab_script())),
}


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `suite` in it: two real clips of each word."""
    if not SPEECH.is_dir():
        pytest.skip("needs the Speech Commands clips beside the project")
    folder = tmp_path_factory.mktemp("repository")
    for word in WORDS:
        (folder / "suite" / word).mkdir(parents=True)
        for clip in sorted((SPEECH / word).iterdir())[:2]:
            shutil.copy(clip, folder / "suite" / word)
    return folder


def shell(command: str, folder: Path, service: Service, **environment: str) -> "subprocess.CompletedProcess[str]":
    """As a CI system runs a line, with this installation's `soundproof`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["/bin/sh", "-e", "-c", command],
        cwd=folder,
        env=os.environ | {"PATH": path, "SOUNDPROOF_URL": service.url} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def gate_of(command: str, folder: Path, service: Service) -> None:
    done = shell(f"{command} {FEW}", folder, service)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_command_does_what_it_says(name: str, speech: Service, suite: Path, tmp_path: Path) -> None:
    shutil.copytree(suite / "suite", tmp_path / "suite")
    gate, *others = SCRIPTS[name]
    gate_of(gate.replace("--baseline baseline.jsonl", ""), tmp_path, speech)  # the last release
    (tmp_path / "gate" / "run.jsonl").rename(tmp_path / "baseline.jsonl")
    shutil.rmtree(tmp_path / "gate")

    gate_of(gate, tmp_path, speech)
    written = {path.name for path in (tmp_path / "gate").iterdir()}
    assert written == {"run.jsonl", "junit.xml", "summary.md", "report.html"}
    run = read_run(tmp_path / "gate" / "run.jsonl")
    assert run is not None
    assert len(run.results) == len(WORDS)
    tests = ElementTree.fromstring((tmp_path / "gate" / "junit.xml").read_bytes())  # noqa: S314
    assert tests.attrib["tests"] == f"{2 + len(WORDS)}"  # the gate, the regression, the clips
    for other in others:
        done = shell(other, tmp_path, speech, GITHUB_STEP_SUMMARY=str(tmp_path / "page.md"))
        assert done.returncode == 0, done.stderr
    if others:
        assert (tmp_path / "page.md").read_text() == (tmp_path / "gate" / "summary.md").read_text()


def test_the_first_command_of_the_document_runs(speech: Service, suite: Path) -> None:
    [command] = re.findall(r"^    (soundproof gate .*)$", TEXT, re.MULTILINE)
    gate_of(command.replace("http://127.0.0.1:8000", speech.url), suite, speech)


def test_the_pytest_example_passes(speech: Service, tmp_path: Path) -> None:
    [example] = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    (tmp_path / "clips").mkdir()
    shutil.copy(YES, tmp_path / "clips")
    (tmp_path / "test_robust.py").write_text(example)
    plugin = "-p soundproof.client.pytest_plugin -p no:cacheprovider"
    done = shell(f'"{sys.executable}" -m pytest -q {plugin} --rootdir . test_robust.py', tmp_path, speech)
    assert "1 passed" in done.stdout, done.stdout


def test_the_github_workflow_is_one() -> None:
    workflow = definitions()[0]
    assert set(workflow) == {"name", True, "jobs"}  # YAML 1.1, and so GitHub's own key, reads `on` as true
    [job] = workflow["jobs"].values()
    assert set(job) == {"runs-on", "timeout-minutes", "steps"}
    for step in job["steps"]:
        assert ("run" in step) != ("uses" in step)
        assert set(step) <= {"name", "run", "uses", "with", "env", "if"}
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"])
    [environment] = [step["env"] for step in job["steps"] if "env" in step]
    assert environment == {
        "SOUNDPROOF_URL": "${{ vars.SOUNDPROOF_URL }}",
        "SOUNDPROOF_API_KEY": "${{ secrets.SOUNDPROOF_API_KEY }}",
    }
    [upload] = [step for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
    assert upload["if"] == "always()"
    assert upload["with"]["path"] == "gate/"


def test_the_gitlab_job_is_one() -> None:
    [job] = definitions()[1].values()
    assert set(job) == {"image", "timeout", "script", "allow_failure", "retry", "artifacts"}
    assert all(isinstance(line, str) for line in job["script"])
    # What is let pass, and what is tried again, are the exit codes that the gate has for it.
    assert job["allow_failure"] == {"exit_codes": [gate_commands.CODES[Outcome.UNDECIDED]]}
    assert job["retry"]["exit_codes"] == [gate_commands.INFRASTRUCTURE]
    assert job["artifacts"]["when"] == "always"
    assert job["artifacts"]["reports"]["junit"] == "gate/junit.xml"


def test_both_install_what_there_is() -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [step["run"] for step in github_steps() if "run" in step] + gitlab_script()
    installed = re.findall(r"pip install '([\w-]+)\[([\w-]+)\]'", "\n".join(lines))
    assert len(installed) == 2
    for name, extra in installed:
        assert name == known["name"]
        assert extra in known["optional-dependencies"]
