"""SOUNDPROOF_FORMATS: what it takes, and what is told where it cannot be had."""

import subprocess
from pathlib import Path

import pytest
from tests.conftest import SEED_KEY

from soundproof.audio import decoder
from soundproof.configuration.faults import SettingsRefused
from soundproof.configuration.reading import read_settings
from soundproof.errors import UnsupportedAudio
from soundproof.preflight import preflight
from soundproof.settings import Settings


def test_no_other_format_is_read_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOUNDPROOF_FORMATS", raising=False)
    assert Settings().allowed_formats == ()


@pytest.mark.parametrize(
    ("given", "allowed"),
    [("", ()), (" ", ()), ("flac", ("flac",)), ("mp3, flac", ("flac", "mp3")), ("ogg,ogg", ("ogg",))],
)
def test_a_list_is_taken(given: str, allowed: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDPROOF_FORMATS", given)
    assert Settings().allowed_formats == allowed


@pytest.mark.parametrize("given", ["wma", "FLAC", "flac;ogg", "flac,", "*"])
def test_what_is_none_is_refused_by_name(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDPROOF_FORMATS", given)
    with pytest.raises(SettingsRefused, match=r"SOUNDPROOF_FORMATS has '.*'; it takes .* flac, ogg, mp3"):
        read_settings()


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soundproof.settings.find_spec", lambda _: None)
    with pytest.raises(SettingsRefused, match=r"SOUNDPROOF_FORMATS.*soundfile.*soundproof\[formats\]"):
        read_settings(formats="flac")
    assert read_settings(formats="").allowed_formats == ()


def test_check_names_the_decoder_or_why_there_is_none(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(models=models, seed_key=SEED_KEY, store="", formats="flac,mp3")
    found = {finding.what: finding for finding in preflight(settings)}["formats"]
    assert found.told == f"WAV; flac, mp3 by {decoder.installed(('flac', 'mp3'))}"
    monkeypatch.setattr(decoder, "CHILD", ("false",))
    found = {finding.what: finding for finding in preflight(settings)}["formats"]
    assert "SOUNDPROOF_FORMATS=flac,mp3" in found.fault


def test_a_library_without_a_format_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    said = b'{"decoder": "libsndfile 1.0.28", "formats": ["flac", "ogg"]}'
    ended = subprocess.CompletedProcess([], 0, stdout=said)
    monkeypatch.setattr("soundproof.audio.decoder.subprocess.run", lambda *_, **__: ended)
    assert decoder.installed(("flac",)) == "libsndfile 1.0.28"
    with pytest.raises(UnsupportedAudio, match=r"libsndfile 1\.0\.28 here does not read mp3"):
        decoder.installed(("flac", "mp3"))
