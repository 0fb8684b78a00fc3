"""Where the time of a request went, told to whoever traces the service. Off, all of it does nothing.

A trace is a request, or a clip of a job, from its beginning to its end. Its parts, by name:

    ingest    from its beginning until its upload is read and decoded
    queue     from admission until a worker was given the clip
    prepare   from then until the worker had the clip as its model hears it
    sample    from then to the last vote
    store     signing a certificate and keeping it; accepting a job
    certify   one certification of several (of a sweep), with its own queue, prepare, sample and store
    rerun, fresh   votes that a verification draws, likewise

Nothing here imports OpenTelemetry: api/spans.py does, and is imported when tracing is on.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Literal, Protocol, Self

from soundproof.engine.run import Finished
from soundproof.trace_endpoint import traces_url

Attribute = str | int | float | bool | list[str]
PartName = Literal["ingest", "store", "certify", "rerun", "fresh"]
# What became of a span: sent, refused or not taken in time by the collector, dropped since too many waited.
SpanResult = Literal["exported", "failed", "dropped"]


class Span:
    """A stretch of work, the one at hand while it lasts. This one tells nobody."""

    trace_id: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """It ends; with an exception, as one that failed."""

    def answered(self, method: str, route: str, status: int) -> None:
        """Of a request: what it was, and how it was answered."""

    def tell(self, **attributes: Attribute | None) -> None:
        """Attributes, each named soundproof.NAME; those that are None are left out."""


NO_SPAN = Span()


class Tracing(Protocol):
    """Every span is made here. Attributes come from closed sets, but for ids; nothing is told of audio, names or
    keys."""

    def request(self, traceparent: str | None) -> Span:
        """A request, a part of its caller's trace where the W3C header says which that is."""

    def clip(self, submitted: str | None) -> Span:
        """A clip of a job: a trace of its own with a link to the request that submitted it."""

    def part(self, name: PartName) -> Span:
        """A part of what is at hand, from now on; `ingest`: from the beginning of the trace on."""

    def tell(self, **attributes: Attribute | None) -> None:
        """Attributes of what is at hand."""

    def computed(self, finished: Finished) -> None:
        """What the engine says of a run that ended just now: queue, prepare and sample."""

    def link(self) -> str | None:
        """The trace at hand, as a W3C traceparent, for another to refer to."""

    def close(self) -> None:
        """Send what is left, for a few seconds at most."""


class NoTracing:
    """The Tracing of a service that is not traced."""

    def request(self, traceparent: str | None) -> Span:  # noqa: ARG002  (as the protocol has it)
        return NO_SPAN

    def clip(self, submitted: str | None) -> Span:  # noqa: ARG002
        return NO_SPAN

    def part(self, name: PartName) -> Span:  # noqa: ARG002
        return NO_SPAN

    def tell(self, **attributes: Attribute | None) -> None:
        pass

    def computed(self, finished: Finished) -> None:
        pass

    def link(self) -> str | None:
        return None

    def close(self) -> None:
        pass


NO_TRACING = NoTracing()


def tracing_to(endpoint: str, told: Callable[[SpanResult, int], None]) -> Tracing:
    """`endpoint`: the setting SOUNDPROOF_TRACING; empty: off. `told` hears what becomes of the spans."""
    if not endpoint:
        return NO_TRACING
    from soundproof.api.outbox import Outbox  # noqa: PLC0415  (the extra `tracing`)
    from soundproof.api.spans import Spans  # noqa: PLC0415

    return Spans(Outbox.to(traces_url(endpoint), told))
