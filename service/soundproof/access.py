"""How a command reaches the service: one that is running, or one that it runs inside its own process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import typer

from soundproof.client.client import Client

Url = Annotated[str | None, typer.Option(help="A running service; without it the work is done in this process.")]


@asynccontextmanager
async def client_of(url: str | None) -> AsyncIterator[Client]:
    """A client of `url`, or of an application run inside this process."""
    if url is not None:
        async with Client(url) as client:
            yield client
        return
    from soundproof.api.app import create_app  # noqa: PLC0415  (the base install has no server)

    application = create_app(settings_with())
    transport = httpx.ASGITransport(application)
    async with application.router.lifespan_context(application), Client("http://in-process", transport) as client:
        yield client


def settings_with(**overrides: Any) -> Any:
    """Settings from the environment, but for what is given and not None."""
    from soundproof.settings import Settings  # noqa: PLC0415  (as above)

    return Settings(**{name: value for name, value in overrides.items() if value is not None})
