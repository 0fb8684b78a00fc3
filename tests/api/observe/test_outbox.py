"""Spans that wait for the collector: so many and no more, each counted once, and none waited for."""

import threading
from collections import Counter
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer

from soundproof.api import outbox
from soundproof.api.outbox import Outbox


class Held(SpanExporter):
    """A collector that takes nothing until it is let; then answers `result`, or raises where that is an error."""

    def __init__(self, result: SpanExportResult | Exception = SpanExportResult.SUCCESS) -> None:
        self.result = result
        self.asked, self.let = threading.Event(), threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked.set()
        assert self.let.wait(20)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


class Counts:
    def __init__(self) -> None:
        self.by_result: Counter[str] = Counter()

    def __call__(self, result: str, count: int) -> None:
        self.by_result[result] += count


def traced(exporter: SpanExporter, counts: Counts, most_held: int) -> tuple[Outbox, Tracer]:
    box = Outbox(exporter, counts, most_held)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(box)
    return box, provider.get_tracer("tests")


def test_what_is_too_many_is_dropped_and_counted_and_the_rest_is_sent() -> None:
    exporter, counts = Held(), Counts()
    box, tracer = traced(exporter, counts, most_held=4)
    for _ in range(10):
        tracer.start_span("x").end()
    assert counts.by_result == {"dropped": 6}
    exporter.let.set()
    box.close()
    assert counts.by_result == {"dropped": 6, "exported": 4}
    assert sum(counts.by_result.values()) == 10


def test_requests_of_strangers_take_nobodys_room() -> None:
    exporter, counts = Held(), Counts()
    box, tracer = traced(exporter, counts, most_held=2)
    for status in (401, 401, 401, 200, 503, 404):
        tracer.start_span("x", attributes={"http.response.status_code": status}).end()
    assert counts.by_result == {"dropped": 1}
    exporter.let.set()
    box.close()
    assert counts.by_result == {"dropped": 1, "exported": 2}


def test_what_was_sent_makes_room() -> None:
    exporter, counts = Held(), Counts()
    exporter.let.set()
    box, tracer = traced(exporter, counts, most_held=2)
    for _ in range(5):
        for _ in range(2):
            tracer.start_span("x").end()
        box.force_flush()
    box.close()
    assert counts.by_result == {"exported": 10}


@pytest.mark.parametrize("result", [SpanExportResult.FAILURE, OSError("nobody there")])
@pytest.mark.filterwarnings("ignore")
def test_what_fails_is_counted_and_makes_room(result: SpanExportResult | Exception) -> None:
    exporter, counts = Held(result), Counts()
    exporter.let.set()
    box, tracer = traced(exporter, counts, most_held=2)
    for _ in range(3):
        for _ in range(2):
            tracer.start_span("x").end()
        box.force_flush()
    box.close()
    assert counts.by_result == {"failed": 6}


def test_the_end_does_not_wait_for_a_collector_that_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "CLOSING_S", 0.05)
    exporter, counts = Held(), Counts()
    box, tracer = traced(exporter, counts, most_held=1)
    tracer.start_span("x").end()
    assert exporter.asked.wait(20)
    box.close()  # returns, with the span still on its way
    assert counts.by_result == {}
    exporter.let.set()
