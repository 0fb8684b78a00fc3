"""What the end of the service meets half done is answered. Pure ASGI."""

import asyncio

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soundproof.api.problems import answer_to
from soundproof.engine.ending import stopped


class CutOff:
    """A request that the server gives up, at its own end, is answered 503 `engine_stopped` if its answer has not begun:
    the server's own would be a bare 500. It stands within BodyLimits, as api/access/door.py does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def send_and_know(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_know)
        except asyncio.CancelledError:  # by nobody but the server
            if begun or scope["type"] != "http":
                raise
            await answer_to(Request(scope), stopped())(scope, receive, send)
