"""What a request body may take, in bytes and in time. Pure ASGI, so that client disconnects still reach the routes."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# How long a body is read on after an answer that did not wait for it. To close at once would reset the connection, and
# the client might never see the answer (RFC 9112, section 9.6).
LINGER_S = 1.0


@dataclass(frozen=True)
class BodyLimit:
    """A body of more than `most_bytes` is answered 413; one that is not complete `deadline_s` seconds after it was
    first asked for, 408."""

    most_bytes: int
    deadline_s: float


class BodyLimits:
    """Holds every body to a limit: `larger` has those of single paths, `limit` is that of all others. What goes beyond
    is raised as HTTPException by `receive`, hence only where a body is read.

    uvicorn has neither limit: a client that sends a byte a minute holds its place for ever. Nor does uvicorn ever stop
    reading a body that was answered early, at any speed: such an answer ends its connection here.
    """

    def __init__(self, app: ASGIApp, limit: BodyLimit, larger: Mapping[str, BodyLimit]) -> None:
        self._app = app
        self._limit = limit
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._larger.get(scope["path"], self._limit)
        exchange = _Exchange(Headers(scope=scope), receive, send, limit)
        await self._app(scope, exchange.receive, exchange.send)


class _Exchange:
    """One request and its answer."""

    def __init__(self, headers: Headers, receive: Receive, send: Send, limit: BodyLimit) -> None:
        self._receive = receive
        self._send = send
        self._limit = limit
        self._deadline: float | None = None
        length = headers.get("content-length", "0")
        self._announced_bytes = int(length) if length.isdecimal() else 0
        self._received_bytes = 0
        chunked = "transfer-encoding" in headers
        self._ambiguous = chunked and "content-length" in headers
        self._complete = self._announced_bytes == 0 and not chunked
        self._closes = False

    async def receive(self) -> Message:
        """The next message, in time and within the limit, else HTTPException."""
        if self._complete:
            return await self._receive()
        if self._ambiguous:
            # Whoever forwarded it may have gone by the other length, and what follows be another's request: refused,
            # and as every answer before the end of a body, the last on its connection (RFC 9112, section 6.1).
            raise HTTPException(400, "The body has both a Content-Length and a Transfer-Encoding.")
        if self._announced_bytes > self._limit.most_bytes:
            raise self._too_large()
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._limit.deadline_s
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._next()
        except TimeoutError as error:
            raise HTTPException(408, f"The body was not complete within {self._limit.deadline_s:g} s.") from error
        if self._received_bytes > self._limit.most_bytes:
            raise self._too_large()
        return message

    async def send(self, message: Message) -> None:
        """Answer; before the body is complete, for the last time on this connection."""
        if message["type"] == "http.response.start" and not self._complete:
            self._closes = True
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        elif message["type"] == "http.response.body" and self._closes and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body"}
        await self._send(message)

    async def _next(self) -> Message:
        message = await self._receive()
        self._received_bytes += len(message.get("body", b""))
        self._complete = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def _linger(self) -> None:
        """Drop what the client still sends, for a while."""
        most = self._received_bytes + self._limit.most_bytes
        try:
            async with asyncio.timeout(LINGER_S):
                while not self._complete and self._received_bytes <= most:
                    await self._next()
        except TimeoutError:
            pass

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"The body is larger than {self._limit.most_bytes:,} bytes.")
