"""HEAD on every address that has GET (RFC 9110, section 9.3.2): the same answer without its content. Pure ASGI."""

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Head:
    """Asks the routes for GET, and ends a stream once its headers are there. Innermost: to all before it, and in the
    log, the request is what it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        asked = {**scope, "method": "GET"}
        with anyio.CancelScope() as stream:

            async def send_headers(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await send(message)
                    await send({"type": "http.response.body"})
                elif message.get("more_body"):
                    stream.cancel()

            try:
                await self._app(asked, receive, send_headers)
            finally:
                scope.update(asked, method="HEAD")  # the route, and what else was found on the way
