"""The command line as a user runs it: output and exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import YES, Service

from soundproof.certificate import content_id


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "soundproof", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "200"} | environment,
        timeout=120,
        check=False,
    )


def test_certified_files_are_a_readable_table_and_exit_0(service: Service) -> None:
    result = run("certify", str(YES), str(YES), "--url", service.url, "--n", "500", "--sigma", "0.01")
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("yes.wav") == 2
    assert "certified" in result.stdout
    assert "500/500" in result.stdout


def test_json_is_one_whole_certificate_a_line(service: Service) -> None:
    result = run("certify", str(YES), "--url", service.url, "--n", "500", "--json")
    [line] = result.stdout.splitlines()
    certificate = json.loads(line)["certificate"]
    assert certificate["certificate_id"] == content_id(certificate)


def test_an_abstention_or_a_wrong_answer_exits_1(service: Service) -> None:
    assert run("certify", str(YES), "--url", service.url, "--sigma", "900", "--n", "100").returncode == 1
    right = json.loads(run("certify", str(YES), "--url", service.url, "--n", "500", "--json").stdout)
    answer = right["certificate"]["prediction"]["label"]
    other = "class-0" if answer != "class-0" else "class-1"
    wrong = run("certify", str(YES), "--url", service.url, "--n", "500", "--label", other)
    assert wrong.returncode == 1
    assert "WRONG" in wrong.stdout


def test_a_gates_verdict_and_votes_stand_in_the_table(service: Service) -> None:
    gate = ["certify", str(YES), "--url", service.url, "--target-snr-db"]
    certified = run(*gate, "66.1", "--sigma", "0.01")  # 400 samples at RMS 1: a little less than one sigma
    assert certified.returncode == 0, certified.stderr
    assert "48/48" in certified.stdout
    assert "asked whether 66.1 dB holds" in certified.stdout
    refuted = run(*gate, "40", "--sigma", "5", "--n", "300")
    assert refuted.returncode == 1
    assert "refuted" in refuted.stdout
    assert "drawn" in refuted.stdout
    assert "such votes" in refuted.stdout
    hopeless = run(*gate, "0")
    assert hopeless.returncode == 2
    assert "target_snr_db of at least" in hopeless.stderr


@pytest.mark.parametrize("option", [["--contract", "bogus"], ["--label", "bogus"], ["--n", "9"], ["--model", "bogus"]])
def test_an_option_that_the_service_refuses_exits_2(service: Service, option: list[str]) -> None:
    result = run("certify", str(YES), "--url", service.url, *option)
    assert result.returncode == 2
    assert option[1] in result.stderr or "'waveform'" in result.stderr


def test_the_table_has_a_row_for_every_file_and_says_what_was_asked(service: Service, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"not audio")
    result = run("certify", str(tmp_path / "bad.wav"), str(YES), "--url", service.url, "--sigma", "900", "--n", "100")
    assert "refused" in result.stdout
    assert "unsupported_audio" in result.stdout
    assert "do not show that it leads" in result.stdout
    assert "contract waveform, transform fixed, sigma 900, n 100, alpha 0.001" in result.stdout


def test_the_table_says_that_noise_was_on_a_lattice(service: Service) -> None:
    options = ["certify", str(YES), "--url", service.url, "--n", "100"]
    assert "; noise on a lattice" in run(*options, "--noise", "lattice").stdout
    assert "lattice" not in run(*options, "--noise", "float").stdout


def test_a_piped_table_is_never_cut_to_a_terminals_width(service: Service) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    options = ["--url", service.url, "--n", "500", "--sigma", "0.01"]
    command = [sys.executable, "-m", "soundproof", "certify", str(YES), *options]
    lines = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout.splitlines()
    [row] = [line for line in lines if "yes.wav" in line]
    assert "certified" in row
    assert "500/500" in row


@pytest.mark.parametrize("options", [["--n", "many"], ["--no-such-option"], []])
def test_a_wrong_command_line_exits_2(options: list[str]) -> None:
    assert run("certify", *options).returncode == 2


def test_a_refused_file_exits_3_and_the_others_are_still_certified(service: Service, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"not audio")
    files = [str(tmp_path / "bad.wav"), str(tmp_path / "missing.wav"), str(YES)]
    result = run("certify", *files, "--url", service.url, "--n", "500", "--json")
    assert result.returncode == 3
    bad, missing, good = map(json.loads, result.stdout.splitlines())
    assert bad["problem"]["code"] == "unsupported_audio"
    assert missing["problem"]["code"] == "unreadable_file"
    assert good["certificate"]["outcome"] == "certified"


def test_a_service_that_is_not_there_exits_4() -> None:
    result = run("certify", str(YES), "--url", "http://127.0.0.1:9")
    assert result.returncode == 4
    assert "cannot be reached" in result.stderr


def test_a_folder_without_models_exits_4_with_the_reason(tmp_path: Path) -> None:
    result = run("certify", str(YES), SOUNDPROOF_MODELS=str(tmp_path))
    assert result.returncode == 4
    assert "no model to serve" in result.stderr
    assert "Traceback" not in result.stderr


def test_without_a_url_the_work_is_done_here_and_the_certificate_is_the_same(service: Service, models: Path) -> None:
    fields = ["--n", "500", "--seed", "5", "--json"]
    here = run("certify", str(YES), *fields, SOUNDPROOF_MODELS=str(models))
    there = run("certify", str(YES), *fields, "--url", service.url)
    assert here.returncode == 0, here.stderr
    ids = {json.loads(result.stdout)["certificate"]["certificate_id"] for result in (here, there)}
    assert len(ids) == 1


def test_models_lists_what_is_served(service: Service) -> None:
    result = run("models", "--url", service.url)
    assert result.returncode == 0
    assert "a-tiny (default)" in result.stdout
    assert "speech-commands-12" in result.stdout


def test_openapi_prints_the_document(models: Path) -> None:
    document = json.loads(run("openapi", SOUNDPROOF_MODELS=str(models)).stdout)
    assert "/certify" in document["paths"]


def test_a_sweep_is_a_row_for_every_setting_and_says_what_holds_of_all(service: Service) -> None:
    asked = ("sweep", str(YES), "--url", service.url, "--n", "150", "--settings")
    done = run(*asked, "waveform:0.0025,clip:0.0025")
    assert done.returncode == 0, done.stderr
    assert "yes.wav waveform:0.0025" in done.stdout
    assert "yes.wav clip:0.0025" in done.stdout
    assert "all of them at once with confidence 99.8 %" in done.stderr
    as_json = run(*asked, "waveform:0.0025,clip:0.0025", "--json")
    assert len(json.loads(as_json.stdout)["sweep"]["certificates"]) == 2
    wrong = run(*asked, "loud")
    assert wrong.returncode == 2
    assert "each name one of waveform" in wrong.stderr
