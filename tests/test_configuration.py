"""The settings as their users meet them: documented, refused in one line each, shown without secrets."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.model_folders import random_linear, write_linear
from tests.test_cli import run

from soundproof.configuration.faults import SettingsRefused
from soundproof.configuration.reading import read_settings, unknown_variables
from soundproof.configuration.variable import markdown, variables
from soundproof.settings import Settings

WRONG = {
    "SOUNDPROOF_PORT": ("65536", "is '65536'; it takes a whole number, 0 to 65535"),
    "SOUNDPROOF_CORES": ("two", "is 'two'; it takes a whole number, 0 to 1024"),
    "SOUNDPROOF_MAX_DURATION_S": ("0", "is '0'; it takes a number, above 0, at most 3600"),
    "SOUNDPROOF_QUEUE_COST": ("inf", "is 'inf'; it takes a number, above 0"),
    "SOUNDPROOF_LOG_LEVEL": ("loud", "is 'loud'; it takes one of debug, info, warning, error"),
    "SOUNDPROOF_DEVICES": ("cpu,cuda:0", "mixes kinds of devices"),
    "SOUNDPROOF_SEED_KEY": ("hush", "has 4 characters; it needs at least 32"),
}


def test_the_document_has_the_table_that_the_command_prints() -> None:
    """If it has not: put what `soundproof settings` prints in the place of its table."""
    assert markdown() in (ROOT / "docs" / "configuration.md").read_text()
    assert run("settings").stdout == markdown()


def test_every_variable_says_what_it_takes_and_means() -> None:
    assert [each.field for each in variables()] == list(Settings.model_fields)
    for variable in variables():
        assert variable.takes, variable.name
        assert variable.meaning, variable.name


def test_a_default_of_the_table_is_one_that_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in variables():
        if variable.default:
            monkeypatch.setenv(variable.name, variable.default)
    set_to_them, untouched = Settings(), Settings.model_construct()
    assert all(getattr(set_to_them, name) == getattr(untouched, name) for name in Settings.model_fields)


def test_every_fault_is_a_line_with_the_variable_and_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (value, _) in WRONG.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsRefused) as refused:
        read_settings()
    lines = dict(zip([line.split()[0].strip(":") for line in refused.value.faults], refused.value.faults, strict=True))
    assert lines.keys() == WRONG.keys()
    for name, (_, told) in WRONG.items():
        assert told in lines[name]
        assert "\n" not in lines[name]
    assert "hush" not in str(refused.value)


def test_a_fault_of_an_option_names_the_option() -> None:
    with pytest.raises(SettingsRefused, match=r"^--port is 65536; it takes a whole number, 0 to 65535"):
        read_settings(port=65536)


def test_a_long_value_is_cut_and_its_control_characters_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDPROOF_PORT", "\x1b[31m\n" + "9" * 1000)
    with pytest.raises(SettingsRefused) as refused:
        read_settings()
    [line] = refused.value.faults
    assert line.isprintable()
    assert len(line) < 200


@pytest.mark.parametrize("command", [["serve"], ["serve", "--check"], ["openapi"], ["models"]])
def test_a_wrong_setting_ends_every_command_with_64_and_no_traceback(command: list[str]) -> None:
    result = run(*command, SOUNDPROOF_PORT="eighty", SOUNDPROOF_QUEUE_RUNS="0", SOUNDPROOF_PROT="1")
    assert result.returncode == 64
    warning, *faults = result.stderr.splitlines()
    assert warning.endswith("SOUNDPROOF_PROT is not a setting and has no effect; did you mean SOUNDPROOF_PORT?")
    assert [fault.split()[0] for fault in faults] == ["SOUNDPROOF_PORT", "SOUNDPROOF_QUEUE_RUNS"]
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("SOUNDPROOF_MAX_SAMPELS", "did you mean SOUNDPROOF_MAX_SAMPLES?"),
        ("soundproof_sed_key_file", "did you mean SOUNDPROOF_SEED_KEY_FILE?"),
        ("SOUNDPROOF_XYZZY", "see docs/configuration.md"),
    ],
)
def test_an_unknown_variable_is_told_with_the_nearest(name: str, told: str) -> None:
    [line] = unknown_variables({name: "1", "PATH": "/bin"})
    assert line == f"{name} is not a setting and has no effect; {told}"


def test_no_variable_of_ours_is_unknown() -> None:
    names = {name for each in variables() for name in (each.name, each.name.lower(), each.file) if name}
    assert unknown_variables(dict.fromkeys({*names, "SOUNDPROOF_URL", "SOUND"}, "")) == []


def test_check_shows_the_settings_in_force_and_what_was_looked_at(models: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'store.db'}"
    told = run(
        "serve", "--check", "--port", "9", SOUNDPROOF_MODELS=str(models), SOUNDPROOF_STORE=store,
        SOUNDPROOF_SIGNING_KEY="hush" * 8,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    lines = [[cell.strip() for cell in line.strip("│").split("│")] for line in told.stdout.splitlines() if "│" in line]
    assert ["SOUNDPROOF_PORT", "9", "option"] in lines
    assert ["SOUNDPROOF_STORE", store, "environment"] in lines
    assert ["SOUNDPROOF_SIGNING_KEY", "set", "environment"] in lines
    looked_at = dict(line for line in lines if len(line) == 2)
    assert looked_at["models"].endswith(f"a-tiny (default), speech-commands-12 in {models}")
    assert looked_at["store"] == f"{tmp_path / 'store.db'}, to be made"
    assert looked_at["signing key"].startswith("hmac-sha256 ")
    assert "hush" not in told.stdout + told.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "fault"),
    [
        (
            {"SOUNDPROOF_MODELS": "/nowhere"},
            "models: There is no model to serve. No folder in /nowhere has a model.json",
        ),
        ({"SOUNDPROOF_DEFAULT_MODEL": "other"}, "models: The default model 'other' is not among a-tiny"),
        ({"SOUNDPROOF_STORE": "sqlite:////nowhere/store.db"}, "store: There is no folder /nowhere for the store."),
        ({"SOUNDPROOF_STORE": "mysql://me:hush@host/name"}, "store: The store cannot be kept in 'mysql'."),
    ],
)
def test_check_tells_what_would_keep_the_service_from_starting(
    models: Path, environment: dict[str, str], fault: str
) -> None:
    told = run("serve", "--check", **{"SOUNDPROOF_MODELS": str(models), "SOUNDPROOF_STORE": ""} | environment)
    assert told.returncode == 4
    [line] = told.stderr.splitlines()
    assert line.startswith(fault)
    assert "hush" not in told.stdout + told.stderr


def test_check_refuses_a_model_whose_files_were_changed(tmp_path: Path) -> None:
    write_linear(tmp_path / "bad", *random_linear(100))
    (tmp_path / "bad" / "weights.safetensors").write_bytes(b"changed")
    told = run("serve", "--check", SOUNDPROOF_MODELS=str(tmp_path), SOUNDPROOF_STORE="")
    assert told.returncode == 4
    assert "digest" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_wrong_setting_is_told_before_anything_heavy_is_imported() -> None:
    told = "print(sorted({'torch', 'fastapi'} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; from soundproof.cli import main\ntry: main()\nfinally: {told}", "serve"],
        env={"SOUNDPROOF_PORT": "x"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stdout) == (64, "[]\n")
