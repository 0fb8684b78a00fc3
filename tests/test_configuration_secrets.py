"""Secrets come from files too, and nothing that is shown has one in it."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from soundproof.configuration.effective import effective
from soundproof.secret_files import secrets_by_file
from soundproof.secret_url import masked
from soundproof.settings import Settings

KEY = "0123456789abcdef" * 4


def test_every_secret_can_come_from_a_file() -> None:
    secrets = {name for name, field in Settings.model_fields.items() if "Secret" in str(field.annotation)}
    by_file = {*secrets_by_file(Settings), *(name for name in secrets if f"{name}_file" in Settings.model_fields)}
    assert by_file == secrets


def test_a_secret_from_a_file_loses_only_the_white_space_around_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(f"  {KEY[:40]} {KEY[40:]}\r\n")
    monkeypatch.setenv("SOUNDPROOF_SEED_KEY_FILE", str(tmp_path / "key"))
    assert Settings().seed_key.get_secret_value() == f"{KEY[:40]} {KEY[40:]}"


def test_an_option_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    monkeypatch.setenv("SOUNDPROOF_SEED_KEY_FILE", str(tmp_path / "key"))
    assert Settings(seed_key=SecretStr(KEY[::-1])).seed_key.get_secret_value() == KEY[::-1]


def test_an_empty_variable_names_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDPROOF_SEED_KEY_FILE", "")
    monkeypatch.setenv("SOUNDPROOF_SEED_KEY", KEY)
    assert Settings().seed_key.get_secret_value() == KEY


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "SOUNDPROOF_SEED_KEY_FILE: .* cannot be read"),
        (b" \n", "SOUNDPROOF_SEED_KEY_FILE: .* is empty"),
        (b"\xff" * 40, "SOUNDPROOF_SEED_KEY_FILE: .* is not text"),
        (b"k" * 100_000, "SOUNDPROOF_SEED_KEY_FILE: .* is larger"),
        (b"hush", "SOUNDPROOF_SEED_KEY has 4 characters"),
    ],
)
def test_a_file_without_a_secret_is_a_fault_that_names_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    monkeypatch.setenv("SOUNDPROOF_SEED_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(ValidationError, match=message) as refused:
        Settings()
    assert "hush" not in str(refused.value)


def test_a_secret_given_twice_is_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    monkeypatch.setenv("SOUNDPROOF_SEED_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("SOUNDPROOF_SEED_KEY", KEY)
    with pytest.raises(ValidationError, match="SOUNDPROOF_SEED_KEY and SOUNDPROOF_SEED_KEY_FILE are both set"):
        Settings()


def test_effective_settings_tell_their_source_and_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://me:hush@host/name")
    monkeypatch.setenv("SOUNDPROOF_STORE_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("SOUNDPROOF_SEED_KEY", "hush" * 8)
    shown = effective(
        Settings(port=9),
        {"port"},
        {"SOUNDPROOF_STORE_FILE": str(tmp_path / "url"), "SOUNDPROOF_SEED_KEY": "hush" * 8},
    )
    assert [each.name for each in shown] == [f"SOUNDPROOF_{name.upper()}" for name in Settings.model_fields]
    by_name = {each.name.removeprefix("SOUNDPROOF_"): (each.value, each.source) for each in shown}
    assert by_name["PORT"] == ("9", "option")
    assert by_name["STORE"] == ("postgresql://me:***@host/name", "file")
    assert by_name["SEED_KEY"] == ("set", "environment")
    assert by_name["SIGNING_KEY"] == ("not set", "default")
    assert "hush" not in repr(shown)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("", ""),
        ("sqlite:///soundproof.db", "sqlite:///soundproof.db"),
        ("sqlite:////var/lib/store.db", "sqlite:////var/lib/store.db"),
        ("postgresql://me@host/name", "postgresql://me@host/name"),
        ("postgresql://me:hush@host:5432/name", "postgresql://me:***@host:5432/name"),
        ("postgresql://me:hu@sh@host/name", "postgresql://me:***@host/name"),
        ("postgresql://me:hu/s?h#@host/name", "postgresql://me:***@host/name"),
        ("postgresql://:hush@host/name", "postgresql://:***@host/name"),
        ("postgresql://host/name?user=me&password=hush", "postgresql://host/name?user=***&password=***"),
        ("postgresql://host/name?password=hu@sh", "postgresql://host:***@sh"),
        ("postgresql:me:hush@host", "***"),
        ("hush", "***"),
    ],
)
def test_a_url_is_shown_without_what_could_be_secret(url: str, shown: str) -> None:
    assert masked(url) == shown
