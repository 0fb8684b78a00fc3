"""A collector of traces on 127.0.0.1, which keeps what it is sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.api.attack import wait_for


@dataclass(frozen=True)
class Seen:
    """One span. Ids in hex; times in nanoseconds."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    begun_ns: int
    ended_ns: int
    attributes: dict[str, Any]
    links: list[tuple[str, str]]
    is_error: bool

    @property
    def seconds(self) -> float:
        return (self.ended_ns - self.begun_ns) / 1e9


@dataclass
class Collector:
    """`raw`: the messages as they came, for whoever looks for what must not be in them."""

    url: str = ""
    spans: list[Seen] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    resource: dict[str, Any] = field(default_factory=dict)
    paths: set[str] = field(default_factory=set)

    def take(self, path: str, body: bytes) -> None:
        message = ExportTraceServiceRequest.FromString(body)
        self.raw.append(body)
        self.paths.add(path)
        for group in message.resource_spans:
            self.resource = attributes_of(group.resource.attributes)
            self.spans += [_seen(span) for scope in group.scope_spans for span in scope.spans]

    def of_request(self, request_id: str) -> list[Seen]:
        """All spans of a request's trace, the request itself first, once that has arrived: a trace's root ends last."""
        found: list[Seen] = []

        def arrived() -> bool:
            found[:] = [span for span in self.spans if span.attributes.get("soundproof.request_id") == request_id]
            return bool(found)

        assert wait_for(arrived), f"no trace of {request_id}"
        [root] = found
        return [root, *self.below(root)]

    def below(self, root: Seen) -> list[Seen]:
        """The others of its trace, by their beginning."""
        others = [span for span in self.spans if span.trace_id == root.trace_id and span.span_id != root.span_id]
        return sorted(others, key=lambda span: (span.begun_ns, span.ended_ns))


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.path, self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _seen(span: Any) -> Seen:
    return Seen(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        begun_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
        attributes=attributes_of(span.attributes),
        links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
        is_error=span.status.code == 2,
    )


def attributes_of(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind)
