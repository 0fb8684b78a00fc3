"""`soundproof gate` as a user runs it: against a live service, with every exit code."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.client.suites import CLIPS, EASY, gate, lines
from tests.conftest import BUNDLED, ROOT, YES, Service
from tests.test_cli import run

from soundproof.client.gate.journal import read_run

SPEECH = ROOT.parent / "shared" / "data" / "speech_commands"


def test_a_pass_exits_0_and_writes_every_report(service: Service, suite: Path, tmp_path: Path) -> None:
    outputs = [f"--{name}={tmp_path / 'out' / name}" for name in ("jsonl", "junit", "markdown", "html")]
    done = gate(suite, "--at-snr", "82", *EASY, "--url", service.url, *outputs)
    assert done.returncode == 0, done.stderr
    assert "PASS: 22 of 24 clips (91.6 %)" in done.stderr
    assert "24 of 24 clips; 22 certified" in done.stderr
    past = read_run(tmp_path / "out" / "jsonl")
    assert past is not None
    assert [result.clip for result in past.results] == sorted(result.clip for result in past.results)
    root = ElementTree.fromstring((tmp_path / "out" / "junit").read_bytes())  # noqa: S314
    assert root.attrib["tests"] == "25"
    assert root.attrib["failures"] == "2"
    assert "✅ PASS" in (tmp_path / "out" / "markdown").read_text()
    document = (tmp_path / "out" / "html").read_text()
    assert document.count("<audio") == 12
    assert "PASS" in document
    # A sequential gate: far fewer votes than n.
    assert all(result.votes <= 150 for result in past.results)


def test_a_fail_exits_1(service: Service, suite: Path) -> None:
    done = gate(suite, "--at-snr", "82", *EASY, "--url", service.url, least=0.95)
    assert done.returncode == 1
    assert "FAIL: 22 of 24" in done.stderr


def test_abstaining_too_often_exits_2(service: Service, suite: Path) -> None:
    done = gate(suite, "--curve", "--at-snr", "40", "--sigma", "900", "--n", "60", "--url", service.url)
    assert done.returncode == 2, done.stderr
    assert "UNDECIDED" in done.stderr
    assert "A larger --n may tell" in done.stderr


def test_a_service_that_is_not_there_exits_3(suite: Path) -> None:
    done = gate(suite, "--at-snr", "82", "--url", "http://127.0.0.1:9", "--patience", "0.4")
    assert done.returncode == 3
    assert "cannot be reached" in done.stderr
    assert "Given up" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--at-snr", "loud"], "--at-snr"),
        (["--no-such-option"], "No such option"),
        ([], "--at-snr in dB, or --at-radius"),
        (["--at-snr", "60", "--at-radius", "1"], "one of them"),
        (["--contract", "feature", "--at-snr", "60"], "Features have no SNR"),
        (["--at-snr", "82", "--alpha-for", "some"], "each or all"),
        (["--at-snr", "82", "--max-regression", "0.1"], "--baseline"),
        (["--at-snr", "82", "--model", "bogus"], "has no model 'bogus'"),
        (["--at-snr", "82", "--n", "5"], "n of at least 10"),
        (["--at-snr", "0"], "No clip can pass"),
        (["--at-snr", "82", "--split", "test"], "no index of splits"),
        (["--at-snr", "82", "--baseline", "nowhere.jsonl"], "nowhere.jsonl cannot be read"),
        (["--at-snr", "82", "--alpha", "0.5", "--min-certified-accuracy", "0.9"], "cannot be passed"),
        (["--at-snr", "82", "--jsonl", "/dev/null/x"], "cannot be written"),
    ],
)
def test_what_makes_no_sense_exits_64_before_anything_is_spent(
    service: Service, suite: Path, options: list[str], words: str
) -> None:
    done = run("gate", str(suite), "--min-certified-accuracy", "0.5", "--url", service.url, *options)
    assert done.returncode == 64, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_label_that_the_model_does_not_know_is_said_before_anything_is_asked(
    service: Service, tmp_path: Path
) -> None:
    (tmp_path / "banana").mkdir()
    shutil.copy(YES, tmp_path / "banana" / "a.wav")
    done = gate(tmp_path, "--at-snr", "82", "--url", service.url)
    assert done.returncode == 64
    assert "does not know the label 'banana' (1 clips). Its classes: class-0, class-1, class-2" in done.stderr


def test_a_bad_clip_fails_alone_and_is_named(service: Service, suite: Path, tmp_path: Path) -> None:
    shutil.copytree(suite, tmp_path / "suite")
    (tmp_path / "suite" / "class-0" / "bad.wav").write_bytes(b"RIFF but no more")
    done = gate(
        tmp_path / "suite", "--at-snr", "82", *EASY, "--url", service.url, f"--markdown={tmp_path / 'summary.md'}"
    )
    assert done.returncode == 0
    assert "22 of 25 clips" in done.stderr
    assert "class-0/bad.wav" in (tmp_path / "summary.md").read_text()


def test_a_regression_fails_and_names_the_clips(service: Service, suite: Path, tmp_path: Path) -> None:
    run_ = ["--url", service.url, "--at-snr", "82"]
    assert gate(suite, *run_, *EASY, f"--jsonl={tmp_path / 'before.jsonl'}").returncode == 0
    worse = ["--sigma", "2", "--n", "150", f"--baseline={tmp_path / 'before.jsonl'}", f"--html={tmp_path / 'r.html'}"]
    done = gate(suite, *run_, *worse, least=0.0)
    assert done.returncode == 1, done.stderr
    assert "It got worse than the baseline" in done.stderr
    assert "Asked otherwise than now: sigma 0.002, now 2" in (tmp_path / "r.html").read_text()
    put_up_with = gate(suite, *run_, *worse, "--max-regression", "1", least=0.0)
    assert put_up_with.returncode == 0, put_up_with.stderr
    same = gate(suite, *run_, *EASY, f"--baseline={tmp_path / 'before.jsonl'}")
    assert same.returncode == 0
    assert "0 clips lost and 0 won of 24 in both runs" in same.stderr


def test_alpha_for_all_is_a_share_for_each_and_claims_all_at_once(
    service: Service, suite: Path, tmp_path: Path
) -> None:
    jsonl = tmp_path / "run.jsonl"
    markdown = tmp_path / "run.md"
    done = gate(
        suite,
        "--at-snr",
        "84",
        *("--sigma", "0.002", "--n", "400", "--alpha-for", "all", "--alpha", "0.01", "--url", service.url),
        f"--jsonl={jsonl}",
        f"--markdown={markdown}",
    )
    assert done.returncode == 0, done.stderr
    assert lines(jsonl)[0]["question"]["alpha"] == 0.01 / CLIPS
    assert "All certificates hold at once with confidence 99 % or more" in markdown.read_text()


def test_without_a_url_the_work_is_done_here(suite: Path, models: Path, tmp_path: Path) -> None:
    done = gate(
        suite, "--at-snr", "82", *EASY, "--limit", "3", f"--jsonl={tmp_path / 'here.jsonl'}", least=0.0,
        SOUNDPROOF_MODELS=str(models),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(lines(tmp_path / "here.jsonl")) == 4


def test_without_a_url_and_without_models_it_exits_3(suite: Path, tmp_path: Path) -> None:
    done = gate(suite, "--at-snr", "82", SOUNDPROOF_MODELS=str(tmp_path))
    assert done.returncode == 3
    assert "no model to serve" in done.stderr


def test_features_are_asked_for_a_radius(service: Service, tmp_path: Path) -> None:
    (tmp_path / "yes").mkdir()
    shutil.copy(YES, tmp_path / "yes" / "a.wav")
    done = gate(
        tmp_path,
        *("--contract", "feature", "--at-radius", "0.01", "--sigma", "0.02", "--n", "150", "--model", BUNDLED.name),
        *("--url", service.url, f"--html={tmp_path / 'out.html'}"),
        least=1.0,
    )
    assert done.returncode == 0, done.stderr
    assert "within l2 radius 0.01" in done.stderr
    assert "l2 radius in the certified space" in (tmp_path / "out.html").read_text()
    far = gate(
        tmp_path,
        *("--contract", "feature", "--at-radius", "5", "--sigma", "0.02", "--n", "150", "--model", BUNDLED.name),
        *("--url", service.url),
    )
    assert far.returncode == 64
    assert "unanimous votes" in far.stderr


@pytest.mark.skipif(not SPEECH.is_dir(), reason="needs the data set")
def test_real_clips_of_a_data_set_pass(service: Service, tmp_path: Path) -> None:
    done = gate(
        SPEECH,
        *("--split", "test", "--limit", "4", "--at-snr", "76", "--n", "150", "--model", BUNDLED.name),
        *("--url", service.url, f"--jsonl={tmp_path / 'real.jsonl'}"),
        least=0.5,
    )
    assert done.returncode == 0, done.stderr
    assert all(line["clip"].endswith(".flac") for line in lines(tmp_path / "real.jsonl")[1:])


BLOCKED = """
import sys
service = {"numpy", "scipy", "torch", "fastapi", "starlette", "uvicorn", "pydantic_settings", "soundfile"}
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in service:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
from soundproof.cli import main
main()
"""


def test_the_base_install_gates_against_a_service(service: Service, suite: Path, tmp_path: Path) -> None:
    asked = ["gate", str(suite), "--min-certified-accuracy", "0.8", "--at-snr", "82", *EASY]
    outputs = [f"--{kind}={tmp_path / kind}" for kind in ("jsonl", "junit", "markdown", "html")]
    done = _based(*asked, *outputs, "--url", service.url)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.iterdir())) == 4
    here = _based(*asked)
    assert here.returncode == 64
    assert "This installation is the client only" in here.stderr


def _based(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", BLOCKED, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
        timeout=120,
        check=False,
    )


def test_the_range_of_sigma_is_the_plans() -> None:
    from soundproof.model_commands import SIGMA_RANGE  # noqa: PLC0415
    from soundproof.smoothing import plan  # noqa: PLC0415

    assert plan.SIGMA_RANGE == SIGMA_RANGE
