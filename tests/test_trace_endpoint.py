"""SOUNDPROOF_TRACING: what it takes, and how what it does not take is refused."""

import importlib.util
from importlib.machinery import ModuleSpec

import pytest

from soundproof import trace_endpoint
from soundproof.configuration.faults import SettingsRefused
from soundproof.configuration.reading import read_settings
from soundproof.trace_endpoint import checked_endpoint, traces_url


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://collector/otlp/v1/traces", "https://collector/otlp/v1/traces"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
        ("otel", None),
    ],
)
def test_an_address_is_taken(given: str, url: str | None) -> None:
    assert checked_endpoint(given) == given
    assert traces_url(given) == url


def test_nothing_is_off() -> None:
    assert checked_endpoint("") == ""


@pytest.mark.parametrize(
    "given",
    [
        "true",
        "collector:4318",
        "grpc://collector:4317",
        "http://",
        "http://collector:port",
        "http://collector:0",
        "http://collector:99999",
        "http://user:hush@collector:4318",
        "http://collector:4318/?key=hush",
        "http://collector:4318/#hush",
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDPROOF_TRACING", given)
    with pytest.raises(SettingsRefused) as refused:
        read_settings()
    [fault] = refused.value.faults
    assert fault.startswith("SOUNDPROOF_TRACING takes http://HOST:PORT")
    assert "hush" not in fault


@pytest.mark.parametrize("missing", ["opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http"])
def test_without_the_packages_it_is_refused_by_name(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def find_spec(name: str) -> ModuleSpec | None:
        if name == missing:
            raise ModuleNotFoundError(name)
        return found(name)

    monkeypatch.setattr(trace_endpoint, "find_spec", find_spec)
    monkeypatch.setenv("SOUNDPROOF_TRACING", "http://127.0.0.1:4318")
    with pytest.raises(SettingsRefused, match=r"SOUNDPROOF_TRACING is set.*pip install 'soundproof\[tracing\]'"):
        read_settings()
    monkeypatch.setenv("SOUNDPROOF_TRACING", "")
    read_settings()
