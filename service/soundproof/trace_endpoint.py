"""Where traces are sent: the setting SOUNDPROOF_TRACING."""

from importlib.util import find_spec
from urllib.parse import urlsplit

# The setting's value for: as OpenTelemetry's own variables say (OTEL_EXPORTER_OTLP_ENDPOINT and others).
BY_ENVIRONMENT = "otel"
# Where a collector takes traces, if no path is given.
TRACES_PATH = "/v1/traces"
_PACKAGES = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")


def checked_endpoint(wanted: str) -> str:
    """The setting as it was given. ValueError says what is wrong with it, and repeats nothing of it."""
    if not wanted:
        return wanted
    if wanted != BY_ENVIRONMENT and not _is_endpoint(wanted):
        raise ValueError(
            f"SOUNDPROOF_TRACING takes http://HOST:PORT of an OTLP collector (https://, and a path, may be given; no "
            f"password: that goes into OTEL_EXPORTER_OTLP_HEADERS), or {BY_ENVIRONMENT}, or nothing"
        )
    if not all(map(_is_installed, _PACKAGES)):
        raise ValueError(
            "SOUNDPROOF_TRACING is set, and the packages of OpenTelemetry are not installed: "
            "pip install 'soundproof[tracing]'"
        )
    return wanted


def traces_url(endpoint: str) -> str | None:
    """The address that traces are posted to; None: the one that OpenTelemetry's own variables name.

    >>> traces_url("http://127.0.0.1:4318")
    'http://127.0.0.1:4318/v1/traces'
    """
    if endpoint == BY_ENVIRONMENT:
        return None
    return endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + TRACES_PATH


def _is_endpoint(text: str) -> bool:
    try:
        url = urlsplit(text)
        is_whole = bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        return False
    return url.scheme in ("http", "https") and is_whole and not ("@" in url.netloc or url.query or url.fragment)


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # of a package that it is in
        return False
