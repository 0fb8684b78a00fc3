"""Spans on their way to the collector: at most so many wait, what is too many is dropped and counted, and no request
ever waits for any of it."""

import threading
from collections.abc import Callable, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from soundproof.api.tracing import SpanResult

# Spans that are held, those in a message that is under way among them; about 3 KiB each.
MOST_HELD = 2048
BATCH = 256
# What the end of the service waits for the collector.
CLOSING_S = 3.0
# Requests of strangers are not told: they would take the room of everybody else's.
UNKNOWN_CALLER = 401

Told = Callable[[SpanResult, int], None]


class Outbox(BatchSpanProcessor):
    """`told` hears what became of every span that was sampled and is not of a stranger's request: each exactly once,
    but for those that the end of the process finds on their way. It is called by a thread of its own too. How long they
    wait to be sent together is OpenTelemetry's OTEL_BSP_SCHEDULE_DELAY, 5 s."""

    def __init__(self, exporter: SpanExporter, told: Told, most_held: int = MOST_HELD) -> None:
        super().__init__(
            _Counted(exporter, self._sent),
            max_queue_size=most_held,
            max_export_batch_size=min(BATCH, most_held),
        )
        self._told = told
        self._most_held = most_held
        self._held = 0
        self._counting = threading.Lock()

    @classmethod
    def to(cls, url: str | None, told: Told) -> "Outbox":
        """To the collector at `url`; None: as OpenTelemetry's own variables say."""
        return cls(OTLPSpanExporter(endpoint=url), told)

    def on_end(self, span: ReadableSpan) -> None:
        if not (span.context and span.context.trace_flags.sampled):
            return
        if (span.attributes or {}).get("http.response.status_code") == UNKNOWN_CALLER:
            return
        with self._counting:
            has_room = self._held < self._most_held
            self._held += has_room
        if has_room:
            super().on_end(span)
        else:
            self._told("dropped", 1)

    def close(self) -> None:
        """Send what is held, for CLOSING_S at most."""
        # A daemon: what the collector does not take in time does not keep the process from ending.
        closing = threading.Thread(target=self.shutdown, name="outbox", daemon=True)
        closing.start()
        closing.join(CLOSING_S)

    def _sent(self, spans: int, result: SpanResult) -> None:
        with self._counting:
            self._held -= spans
        self._told(result, spans)


class _Counted(SpanExporter):
    """An exporter whose results are told, and which never raises."""

    def __init__(self, exporter: SpanExporter, sent: Callable[[int, SpanResult], None]) -> None:
        self._exporter = exporter
        self._sent = sent

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:  # the processor logs what is raised, and goes on
            self._sent(len(spans), "exported" if result is SpanExportResult.SUCCESS else "failed")
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()
