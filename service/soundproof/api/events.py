"""A certification as a stream of server-sent events."""

from collections.abc import AsyncIterator, Sequence
from typing import Self

from fastapi import Request
from fastapi.sse import format_sse_event
from pydantic import BaseModel, Field

from soundproof.api.answers import Answer
from soundproof.api.problems import problem_for
from soundproof.smoothing.progress import Progress


class Running(BaseModel):
    """A bound that holds at every number of votes at once, at the request's alpha: it may be watched, and it is never
    the certificate's own."""

    p_a_lower: float = Field(description="lower bound, under noise, of the probability of the class")
    radius: float | None = Field(description="l2 radius in the certified space; null where nothing is shown yet")


class ProgressEvent(BaseModel):
    """The data of a `progress` event."""

    samples: int = Field(description="noise samples drawn, selection included")
    samples_planned: int = Field(description="at most; a gate may need fewer")
    prediction: str | None = Field(description="the class that selection chose; null until it has")
    running: Running | None = Field(description="null until there are votes on that class, and for a gate")

    @classmethod
    def of(cls, progress: Progress, classes: Sequence[str]) -> Self:
        running = None
        if progress.p_a_lower is not None:
            running = Running(p_a_lower=progress.p_a_lower, radius=progress.radius)
        return cls(
            samples=progress.drawn,
            samples_planned=progress.planned,
            prediction=None if progress.candidate is None else classes[progress.candidate],
            running=running,
        )


Event = ProgressEvent | Answer | None

# Of a stream of events: proxies such as nginx pass each on as it comes instead of waiting for more.
UNBUFFERED = {"X-Accel-Buffering": "no"}


async def stream(request: Request, events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    """`progress` events, then one `certificate` or `problem`; a comment where there is nothing to tell (None)."""
    try:
        async for event in events:
            match event:
                case None:
                    yield format_sse_event(comment="still at it")
                case ProgressEvent():
                    yield format_sse_event(event="progress", data_str=event.model_dump_json())
                case Answer():
                    yield format_sse_event(event="certificate", data_str=event.body.decode())
    except Exception as error:  # the status line is long gone: whatever happened is told as an event
        problem = problem_for(request, error)
        yield format_sse_event(event="problem", data_str=problem.model_dump_json(exclude_none=True))
