"""Keys from the command line: made there, and used there."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.api.access.keys import made, write
from tests.conftest import YES, Service, serving
from tests.test_cli import run

from soundproof.api_keys import KEY, Budget, Scope, read_api_keys, sha256_of

CI = made("ci", Scope.CERTIFY, Scope.READ)
READER = made("reader", Scope.READ)


@pytest.fixture(scope="module")
def closed(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("commands")
    keys = write(folder / "keys.toml", [CI, READER])
    with serving(models, folder / "log", SOUNDPROOF_API_KEYS=str(keys)) as running:
        yield running


def test_a_key_is_printed_once_and_its_entry_goes_into_the_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    scopes = ["--scope", "certify", "--scope", "read"]
    first = run("api-keys", "new", "ci", *scopes, "--budget", "1e12/86400", "--file", str(file))
    second = run("api-keys", "new", "prometheus", "--scope", "admin", "--file", str(file))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    ci, prometheus = read_api_keys(file)
    assert (ci.name, ci.budget) == ("ci", Budget(cost=1e12, refill_s=86400))
    assert ci.scopes == {Scope.CERTIFY, Scope.READ}
    assert (prometheus.name, prometheus.budget) == ("prometheus", None)
    assert prometheus.scopes == {Scope.ADMIN}
    for told, entry in ((first, ci), (second, prometheus)):
        secret = told.stdout.strip()
        assert KEY.fullmatch(secret)
        assert sha256_of(secret) == entry.sha256
        assert secret not in file.read_text() + told.stderr


def test_without_a_file_the_entry_is_printed_beside_the_key(tmp_path: Path) -> None:
    told = run("api-keys", "new", "ci", "--scope", "read")
    (tmp_path / "keys.toml").write_text(told.stderr)
    [entry] = read_api_keys(tmp_path / "keys.toml")
    assert sha256_of(told.stdout.strip()) == entry.sha256


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["ci", "--scope", "read"], "has a key 'ci' already"),
        (["Anna B.", "--scope", "read"], "name: "),
        (["anna"], "--scope"),
        (["anna", "--scope", "root"], "root"),
        (["anna", "--scope", "read", "--budget", "many"], "COST/SECONDS"),
        (["anna", "--scope", "read", "--budget", "0/5"], "cost"),
        (["anna", "--scope", "read", "--budget", "1e/5"], ""),
    ],
)
def test_what_is_wrong_makes_no_key(tmp_path: Path, arguments: list[str], told: str) -> None:
    file = write(tmp_path / "keys.toml", [CI])
    before = file.read_bytes()
    result = run("api-keys", "new", *arguments, "--file", str(file))
    assert result.returncode == 2
    assert told in result.stderr
    assert "Traceback" not in result.stderr
    assert (result.stdout, file.read_bytes()) == ("", before)


def certify(service: Service, key: str) -> "tuple[int, str]":
    told = run("certify", str(YES), "--url", service.url, "--n", "200", SOUNDPROOF_API_KEY=key)
    assert key not in told.stdout + told.stderr or not key
    return told.returncode, told.stdout + told.stderr


def test_commands_use_the_key_of_the_environment(closed: Service) -> None:
    code, told = certify(closed, CI.secret)
    assert code == 0, told
    models = run("models", "--url", closed.url, SOUNDPROOF_API_KEY=CI.secret)
    assert models.returncode == 0, models.stderr
    assert "a-tiny" in models.stdout


def test_without_the_right_key_they_say_so_and_exit_2(closed: Service) -> None:
    for key, code in (("", "unauthenticated"), (READER.secret, "forbidden")):
        exit_code, told = certify(closed, key)
        assert exit_code == 2
        assert code in told
    told = "SOUNDPROOF_API_KEY is no API key: it has characters that no header takes.\n"
    assert certify(closed, "two words") == (64, told)


def test_a_gate_runs_with_a_key_and_names_what_is_missing_without(closed: Service, tmp_path: Path) -> None:
    (tmp_path / "yes").mkdir()
    (tmp_path / "yes" / "a.wav").write_bytes(YES.read_bytes())
    gate = ["gate", str(tmp_path), "--min-certified-accuracy", "0", "--confidence", "0", "--at-snr", "70"]
    gate += ["--model", "speech-commands-12", "--url", closed.url]
    passed = run(*gate, SOUNDPROOF_API_KEY=CI.secret)
    assert passed.returncode == 0, passed.stderr
    refused = run(*gate, SOUNDPROOF_API_KEY=READER.secret)
    assert refused.returncode == 3
    assert "forbidden" in refused.stderr


def test_the_pytest_plugin_uses_it_too(closed: Service, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        f"def test_it(assert_certified):\n    assert_certified({str(YES)!r}, label='yes', snr_db=70, "
        "model='speech-commands-12')\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--showlocals", str(tmp_path)]
    for key, outcome in ((CI.secret, "1 passed"), ("", "unauthenticated"), (f"{CI.secret} \xe9", "no API key")):
        environment = os.environ | {"SOUNDPROOF_URL": closed.url, "SOUNDPROOF_API_KEY": key}
        told = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        assert outcome in told.stdout
        assert CI.secret not in told.stdout + told.stderr


def test_work_in_this_process_asks_for_no_key(models: Path, tmp_path: Path) -> None:
    keys = write(tmp_path / "keys.toml", [CI])
    told = run("models", SOUNDPROOF_MODELS=str(models), SOUNDPROOF_API_KEYS=str(keys), SOUNDPROOF_HOST="10.0.0.1")
    assert told.returncode == 0, told.stderr
