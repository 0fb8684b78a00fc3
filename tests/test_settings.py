"""Settings come from the environment, and a predictable seed key is never used."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from soundproof.settings import Settings


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDPROOF_PORT", "9001")
    monkeypatch.setenv("SOUNDPROOF_MODELS", "/somewhere")
    settings = Settings()
    assert (settings.port, settings.models) == (9001, Path("/somewhere"))


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize("name", ["seed_key", "signing_key", "store"])
def test_a_secret_is_never_printed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"SOUNDPROOF_{name.upper()}", f"postgresql://me:{'hush' * 8}@host/name")
    assert "hush" not in repr(Settings())
    assert "hush" not in str(getattr(Settings(), name))


def test_a_seed_key_that_could_be_guessed_is_refused_without_printing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDPROOF_SEED_KEY", "hush")
    with pytest.raises(ValidationError, match="at least 32") as refused:
        Settings()
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("value", ["inf", "nan", "-inf"])
def test_a_limit_is_a_finite_number(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SOUNDPROOF_BODY_DEADLINE_S", value)
    with pytest.raises(ValidationError, match="body_deadline_s"):
        Settings()


@pytest.mark.parametrize("devices", ["", " , ", "cpu,cuda:0"])
def test_devices_that_cannot_work_together_are_refused(monkeypatch: pytest.MonkeyPatch, devices: str) -> None:
    monkeypatch.setenv("SOUNDPROOF_DEVICES", devices)
    with pytest.raises(ValidationError, match="SOUNDPROOF_DEVICES"):
        Settings()
