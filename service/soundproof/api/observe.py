"""Request ids, one log line and one count per request, as pure ASGI."""

import logging
import time
import uuid

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soundproof.api.metrics import Metrics
from soundproof.api.problems import CLIENT_GONE, INTERNAL, TOLD

log = logging.getLogger("soundproof.access")

UNMATCHED = "unmatched"


class Observe:
    """Outermost of ours: sets scope["soundproof.request_id"], answers it as X-Request-ID, tells the metrics."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope["soundproof.request_id"] = uuid.uuid4().hex
        started = time.monotonic()
        status = CLIENT_GONE

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            status, _, scope[TOLD], *_ = INTERNAL
            raise
        finally:
            seconds = time.monotonic() - started
            route = getattr(scope.get("route"), "path", UNMATCHED)
            self._metrics.request(route, scope["method"], status, seconds)
            if told := scope.get(TOLD):
                self._metrics.problem(told)
            log.info("%s %s %d %.3f s %s", scope["method"], route, status, seconds, request_id)
