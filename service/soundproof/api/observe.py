"""Request ids, one log line, one count and one trace per request, as pure ASGI."""

import logging
import re
import time
import uuid

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soundproof import logs
from soundproof.api.metrics import METHODS, Metrics
from soundproof.api.problems import CLIENT_GONE, INTERNAL, TOLD
from soundproof.api.tracing import NO_SPAN, NO_TRACING, Tracing

log = logging.getLogger("soundproof.access")

UNMATCHED = "unmatched"
PROBES = frozenset({"/livez", "/readyz", "/metrics"})  # asked for every few seconds, and not traced
# Ids of a caller's own that are taken over: fit for a header, a line of a log and a file name.
SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Observe:
    """Outermost of ours: sets scope["soundproof.request_id"], the caller's X-Request-ID where that is safe, answers it
    as X-Request-ID, tells the metrics, the log and the trace."""

    def __init__(self, app: ASGIApp, metrics: Metrics, tracing: Tracing = NO_TRACING) -> None:
        self._app = app
        self._metrics = metrics
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = scope["soundproof.request_id"] = _request_id(headers)
        method = scope["method"] if scope["method"] in METHODS else "other"
        started = time.monotonic()
        status = CLIENT_GONE

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        is_probe = scope["path"] in PROBES
        with NO_SPAN if is_probe else self._tracing.request(headers.get("traceparent")) as span:
            about = {"request_id": request_id} | ({"trace_id": span.trace_id} if span.trace_id else {})
            before = logs.request.set(about)
            try:
                await self._app(scope, receive, send_with_id)
            except Exception:
                status, _, scope[TOLD], *_ = INTERNAL
                raise
            finally:
                seconds = time.monotonic() - started
                route = getattr(scope.get("route"), "path", UNMATCHED)
                told = scope.get(TOLD)
                self._metrics.request(route, method, status, seconds)
                if told:
                    self._metrics.problem(told)
                span.answered(method, route, status)
                span.tell(request_id=request_id, problem=told)
                of_answer = {"method": method, "route": route, "status": status, "seconds": round(seconds, 6)}
                extra = {**of_answer, "key": scope.get("soundproof.key")}
                log.info("%s %s %d %.3f s", method, route, status, seconds, extra=extra)
                logs.request.reset(before)


def _request_id(headers: Headers) -> str:
    """The caller's own, where it is one and safe to repeat; else a fresh one."""
    given = headers.getlist("x-request-id")
    return given[0] if len(given) == 1 and SAFE_ID.fullmatch(given[0]) else uuid.uuid4().hex
