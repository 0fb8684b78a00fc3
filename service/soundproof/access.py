"""How a command reaches the service: one that is running, or one that it runs inside its own process."""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import typer

from soundproof.client.api_key import api_key_from_environment
from soundproof.client.async_client import AsyncClient
from soundproof.configuration.faults import SettingsRefused

log = logging.getLogger("soundproof.settings")

# Answers about the key in SOUNDPROOF_API_KEY, whatever the file.
ACCESS_CODES = frozenset({"unauthenticated", "forbidden", "budget_too_small"})

Url = Annotated[str | None, typer.Option(help="A running service; without it the work is done in this process.")]


@asynccontextmanager
async def client_of(url: str | None) -> AsyncIterator[AsyncClient]:
    """A client of `url`, or of an application run inside this process."""
    if url is not None:
        async with AsyncClient(url, api_key=api_key()) as client:
            yield client
        return
    # What is done in passing leaves no database behind, unless one is named.
    settings = settings_with(store=None if "SOUNDPROOF_STORE" in os.environ else "", api_keys="")
    from soundproof.api.app import create_app  # noqa: PLC0415  (the base install has no server)

    application = create_app(settings)
    transport = httpx.ASGITransport(application)
    async with application.router.lifespan_context(application), AsyncClient("http://in-process", transport) as client:
        yield client


def api_key() -> str | None:
    """The key in the environment. Raises SettingsRefused for what is none."""
    try:
        return api_key_from_environment()
    except ValueError as error:
        raise SettingsRefused([f"{error}"]) from None


def settings_with(**overrides: Any) -> Any:
    """Settings from the environment, but for what is given and not None; variables that are none are warned of.

    Raises SettingsRefused with a line for each fault.
    """
    from soundproof.configuration.reading import read_settings, unknown_variables  # noqa: PLC0415  (as above)

    for line in unknown_variables(os.environ):
        log.warning("%s", line)
    return read_settings(**{name: value for name, value in overrides.items() if value is not None})
