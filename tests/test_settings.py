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


@pytest.mark.parametrize("given", [None, ""])
def test_without_a_seed_key_every_start_draws_its_own(monkeypatch: pytest.MonkeyPatch, given: str | None) -> None:
    monkeypatch.delenv("SOUNDPROOF_SEED_KEY", raising=False)
    if given is not None:
        monkeypatch.setenv("SOUNDPROOF_SEED_KEY", given)
    keys = {Settings().seed_key.get_secret_value() for _ in range(2)}
    assert len(keys) == 2
    assert all(len(key) == 64 for key in keys)


def test_the_seed_key_is_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDPROOF_SEED_KEY", "hush" * 8)
    assert "hush" not in repr(Settings())


def test_a_seed_key_that_could_be_guessed_is_refused_without_printing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDPROOF_SEED_KEY", "hush")
    with pytest.raises(ValidationError, match="at least 32") as refused:
        Settings()
    assert "hush" not in str(refused.value)
