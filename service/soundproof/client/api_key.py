"""The API key of a service that has them, sent to that service only."""

import os
import re
from collections.abc import Generator

import httpx

# The variable that the commands and the pytest plugin read.
API_KEY = "SOUNDPROOF_API_KEY"
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, section 2.1
_REASON = "it has characters that no header takes."


class Bearer(httpx.Auth):
    """Adds the key to requests to the origin of `url`. It stands in no repr and no error."""

    def __init__(self, api_key: str, url: str) -> None:
        """ValueError for what no header takes."""
        if not _TOKEN.fullmatch(api_key):
            raise ValueError(f"This is no API key: {_REASON}")
        self._header = f"Bearer {api_key}"
        self._origin = _origin(httpx.URL(url))

    def __repr__(self) -> str:
        return "Bearer(...)"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if _origin(request.url) == self._origin:
            request.headers["Authorization"] = self._header
        yield request


def bearer(api_key: str | None, url: str) -> Bearer | None:
    """None without a key. ValueError as Bearer's."""
    return None if api_key is None else Bearer(api_key, url)


def api_key_from_environment() -> str | None:
    """The key in SOUNDPROOF_API_KEY, without the white space around it: the environment is in no list of processes.
    ValueError for what no header takes."""
    given = os.environ.get(API_KEY, "").strip()
    if given and not _TOKEN.fullmatch(given):
        raise ValueError(f"{API_KEY} is no API key: {_REASON}")
    return given or None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
