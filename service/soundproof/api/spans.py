"""Spans for an OTLP collector, by OpenTelemetry. Imported only when tracing is on."""

import time
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from opentelemetry import trace
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, NonRecordingSpan, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from soundproof import __version__
from soundproof.api.outbox import Outbox
from soundproof.api.tracing import NO_SPAN, Attribute, PartName, Span
from soundproof.engine.run import Finished
from soundproof.errors import SoundproofError

_W3C = TraceContextTextMapPropagator()
_TRACEPARENT = "traceparent"


@dataclass(frozen=True)
class _Clock:
    """Times of one trace: the wall clock is read once, so that parts add up whatever is done to it meanwhile."""

    wall_ns: int
    monotonic_ns: int

    @classmethod
    def started(cls) -> Self:
        return cls(time.time_ns(), time.monotonic_ns())

    def now_ns(self) -> int:
        return self.wall_ns + time.monotonic_ns() - self.monotonic_ns


class _Open(Span):
    """A span that lasts. `clock`: of its trace."""

    def __init__(self, span: trace.Span, clock: _Clock) -> None:
        self.span = span
        self.clock = clock
        self._around: _Open | None = None

    @property
    def trace_id(self) -> str:  # type: ignore[override]  # a constant of the span that tells nobody
        return trace.format_trace_id(self.span.get_span_context().trace_id)

    def __enter__(self) -> Self:
        self._around = _at_hand.get()
        _at_hand.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Not by a token: a stream may be closed in another context than it was begun in.
        _at_hand.set(self._around)
        if kind is not None:
            self.span.set_attribute("error.type", error.code if isinstance(error, SoundproofError) else kind.__name__)
            self.span.set_status(Status(StatusCode.ERROR))
        self.span.end(self.clock.now_ns())

    def answered(self, method: str, route: str, status: int) -> None:
        self.span.update_name(f"{method} {route}")
        self.span.set_attributes(
            {"http.request.method": method, "http.route": route, "http.response.status_code": status}
        )
        if status >= 500:
            self.span.set_attribute("error.type", str(status))
            self.span.set_status(Status(StatusCode.ERROR))

    def tell(self, **attributes: Attribute | None) -> None:
        told = {f"soundproof.{name}": value for name, value in attributes.items() if value is not None}
        self.span.set_attributes(told)


_at_hand: ContextVar[_Open | None] = ContextVar("_at_hand", default=None)


class Spans:
    """A Tracing that sends what it is told; `outbox` decides when, and what is dropped."""

    def __init__(self, outbox: Outbox) -> None:
        # What the operator says of this service in OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES goes before ours.
        ours = Resource({"service.name": "soundproof", "service.version": __version__})
        resource = Resource.create().merge(ours).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(outbox)
        self._outbox = outbox
        self._tracer = self._provider.get_tracer("soundproof", __version__)

    def request(self, traceparent: str | None) -> Span:
        clock = _Clock.started()
        context = _W3C.extract({_TRACEPARENT: traceparent}) if traceparent else trace.set_span_in_context(_NOBODY)
        span = self._tracer.start_span("request", context, SpanKind.SERVER, start_time=clock.wall_ns)
        return _Open(span, clock)

    def clip(self, submitted: str | None) -> Span:
        clock = _Clock.started()
        context = trace.get_current_span(_W3C.extract({_TRACEPARENT: submitted or ""})).get_span_context()
        links = [Link(context)] if context.is_valid else []
        nobody = trace.set_span_in_context(_NOBODY)
        span = self._tracer.start_span("clip", nobody, SpanKind.CONSUMER, links=links, start_time=clock.wall_ns)
        return _Open(span, clock)

    def part(self, name: PartName) -> Span:
        around = _at_hand.get()
        if around is None:
            return NO_SPAN
        begun_ns = around.clock.wall_ns if name == "ingest" else around.clock.now_ns()
        return _Open(self._child(around, name, begun_ns), around.clock)

    def tell(self, **attributes: Attribute | None) -> None:
        if around := _at_hand.get():
            around.tell(**attributes)

    def computed(self, finished: Finished) -> None:
        if (around := _at_hand.get()) is None:
            return
        sampled_ns = around.clock.now_ns()
        prepared_ns = sampled_ns - _ns(finished.run_s - finished.prepare_s)
        started_ns = sampled_ns - _ns(finished.run_s)
        queued_ns = started_ns - _ns(finished.queue_s)
        self._child(around, "queue", queued_ns).end(started_ns)
        self._child(around, "prepare", started_ns).end(prepared_ns)
        sample = self._child(around, "sample", prepared_ns)
        sample.set_attributes(
            {
                "soundproof.devices": list(finished.devices),
                "soundproof.samples": finished.drawn,
                "soundproof.messages": finished.messages,
            }
        )
        sample.end(sampled_ns)

    def link(self) -> str | None:
        carrier: dict[str, str] = {}
        if around := _at_hand.get():
            _W3C.inject(carrier, trace.set_span_in_context(around.span))
        return carrier.get(_TRACEPARENT)

    def close(self) -> None:
        self._outbox.close()

    def _child(self, around: _Open, name: str, begun_ns: int) -> trace.Span:
        context = trace.set_span_in_context(around.span)
        return self._tracer.start_span(name, context, SpanKind.INTERNAL, start_time=begun_ns)


_NOBODY = NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
