"""Headers that every answer has, so that no browser does more with it than show it. As pure ASGI.

Strict-Transport-Security is not among them: TLS is the proxy's, and so is the promise to keep to it.
"""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What an answer of the API is allowed to load: nothing. GET /docs says itself what it needs (api/docs_page.py).
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

ALWAYS = {
    "Content-Security-Policy": NOTHING,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Answers tell of clips: they are kept by whoever asked, and by nothing in between.
    "Cache-Control": "no-store",
}
# Files, which are the same for everybody, may be kept, and are asked for again by their ETag.
FILES = {"Cache-Control": "no-cache"}


class SecurityHeaders:
    """Adds to each answer those of ALWAYS that it does not set itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=[*message["headers"]])
                for name, value in (ALWAYS | (FILES if "etag" in headers else {})).items():
                    headers.setdefault(name, value)
                message = {**message, "headers": headers.raw}
            await send(message)

        await self._app(scope, receive, send_with_headers)
