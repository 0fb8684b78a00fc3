"""What a job comes to, as it comes: its results as lines, its progress as server-sent events."""

import asyncio
from collections.abc import AsyncIterator, Callable

from fastapi.sse import format_sse_event

from soundproof.api.answers import Answers
from soundproof.api.jobs.view import job_document, result_line
from soundproof.job import Job
from soundproof.store.results import PAGE_CLIPS, Result
from soundproof.store.store import Store

# How often the store is looked at for news, and for how long a stream says nothing.
LOOK_EVERY_S, PING_EVERY_S = 0.5, 10.0


async def lines(answers: Answers, job_id: str, first: tuple[Result, ...]) -> AsyncIterator[bytes]:
    """A line for each clip that is settled by now, in upload order; `first`: the first page, read already."""
    page = first
    while page:
        yield await asyncio.to_thread(_told, page, answers)
        page = await answers.keeper.call(_page(job_id, page[-1].position))


async def events(answers: Answers, job_id: str, after: int, over: Callable[[], bool]) -> AsyncIterator[bytes]:
    """`progress` whenever it has changed, `clip` for each clip behind position `after` that is settled, in upload order
    and with the position as its id, and in the end one `end`; none when the stream ends because the service is about
    to (`over`)."""
    told: Job | None = None
    silent_s = 0.0
    while True:
        job = job_document(await answers.keeper.call(lambda store: store.jobs.get(job_id)))
        page = await answers.keeper.call(_page(job_id, after))
        settled = 0
        for result in page:
            if result.position != after + 1:
                break  # one before it is still open
            after = result.position
            settled += 1
            yield format_sse_event(event="clip", id=str(after), data_str=result_line(result, answers).decode().rstrip())
        if settled == PAGE_CLIPS:
            continue
        if not job.state.open and not settled:
            yield format_sse_event(event="end", data_str=job.model_dump_json())
            return
        if told is None or (job.state, job.clips, job.samples) != (told.state, told.clips, told.samples):
            told, silent_s = job, 0.0
            yield format_sse_event(event="progress", data_str=job.model_dump_json())
        elif silent_s >= PING_EVERY_S:
            silent_s = 0.0
            yield format_sse_event(comment="still at it")
        if over():
            return
        await asyncio.sleep(LOOK_EVERY_S)
        silent_s += LOOK_EVERY_S


def _page(job_id: str, after: int) -> Callable[[Store], tuple[Result, ...]]:
    return lambda store: store.results.page(job_id, after=after)


def _told(page: tuple[Result, ...], answers: Answers) -> bytes:
    """In a thread: a page of certificates is read, and may have to be signed."""
    return b"".join(result_line(result, answers) for result in page)
