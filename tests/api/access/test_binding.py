"""A service that others can reach is closed, or opened knowingly."""

from pathlib import Path

import pytest
from tests.api.access.keys import made, write
from tests.conftest import serving
from tests.test_cli import run

from soundproof.api_keys import Scope
from soundproof.configuration.binding import check_binding
from soundproof.configuration.faults import SettingsRefused
from soundproof.configuration.reading import read_settings

KEY = made("ci", Scope.READ)
ALL = "0.0.0.0"  # noqa: S104  (nothing of it is ever bound)
OTHERS = (ALL, "::", "", "10.0.0.1", "192.168.1.5", "2001:db8::1", "machine", "0", "::ffff:127.0.0.1", "127.1")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"])
def test_this_machines_own_addresses_may_be_open(host: str) -> None:
    check_binding(read_settings(host=host))


@pytest.mark.parametrize("host", OTHERS)
def test_any_other_needs_keys_or_a_word(host: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match=r"SOUNDPROOF_API_KEYS.*SOUNDPROOF_OPEN=true"):
        check_binding(read_settings(host=host))
    check_binding(read_settings(host=host, open=True))
    check_binding(read_settings(host=host, api_keys=write(tmp_path / "keys.toml", [KEY])))


@pytest.mark.parametrize("command", [["serve"], ["serve", "--check"], ["serve", "--host", ALL]])
def test_the_service_does_not_start_open_to_others_and_says_both_ways_out(models: Path, command: list[str]) -> None:
    told = run(*command, SOUNDPROOF_MODELS=str(models), SOUNDPROOF_HOST=ALL)
    assert told.returncode == 64
    [line] = told.stderr.splitlines()
    assert "SOUNDPROOF_HOST is '0.0.0.0'" in line
    assert "SOUNDPROOF_API_KEYS" in line
    assert "SOUNDPROOF_OPEN=true" in line


def test_a_file_of_keys_that_is_faulty_or_missing_does_not_start_open(models: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for path in (tmp_path / "empty", tmp_path / "missing"):
        told = run("serve", SOUNDPROOF_MODELS=str(models), SOUNDPROOF_API_KEYS=str(path), SOUNDPROOF_OPEN="true")
        assert told.returncode == 64
        assert told.stderr.startswith("SOUNDPROOF_API_KEYS: ")


def test_keys_count_where_it_may_be_open_too(models: Path, tmp_path: Path) -> None:
    keys = write(tmp_path / "keys.toml", [KEY])
    with (
        serving(models, tmp_path / "log", SOUNDPROOF_API_KEYS=str(keys), SOUNDPROOF_OPEN="true") as service,
        service.client() as client,
    ):
        assert client.get("/models").status_code == 401


def test_check_shows_whose_keys_they_are_and_nothing_of_them(models: Path, tmp_path: Path) -> None:
    keys = write(tmp_path / "keys.toml", [KEY])
    told = run("serve", "--check", SOUNDPROOF_MODELS=str(models), SOUNDPROOF_STORE="", SOUNDPROOF_API_KEYS=str(keys))
    assert told.returncode == 0, told.stderr
    assert "ci: read" in told.stdout
    assert KEY.entry.sha256 not in told.stdout
