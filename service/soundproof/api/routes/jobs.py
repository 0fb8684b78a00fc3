"""POST /jobs, and what becomes of one."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse
from starlette.responses import Response

from soundproof.api.access.door import purse_of
from soundproof.api.access.job_charges import JobCharges, costs_of, pay
from soundproof.api.answers import Answers
from soundproof.api.events import UNBUFFERED
from soundproof.api.jobs.intake import JobLimits, job_form_schema, read_job
from soundproof.api.jobs.runner import Runner
from soundproof.api.jobs.streams import events, lines
from soundproof.api.jobs.view import job_document
from soundproof.api.problems import problem_of
from soundproof.api.registry import Registry
from soundproof.api.tracing import Tracing
from soundproof.errors import QueueFull
from soundproof.job import Job
from soundproof.store.submission import NewJob

LINES = "application/x-ndjson"
NONE: dict[int | str, dict[str, Any]] = {404: problem_of("unknown_job"), 503: problem_of("store_unavailable")}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: problem_of("bad_request"),
    403: problem_of("forbidden", "budget_too_small"),
    408: problem_of("request_timeout"),
    409: problem_of("idempotency_conflict"),
    413: problem_of("body_too_large"),
    415: problem_of("unsupported_media_type"),
    422: problem_of("invalid_request", "invalid_plan"),
    429: problem_of("queue_full", "budget_exhausted") | {"headers": {"Retry-After": {"schema": {"type": "integer"}}}},
    503: problem_of("store_unavailable"),
}
# How soon there may be room again, where so many clips wait that no more are taken.
RETRY_AFTER_S = 60


def router(  # noqa: PLR0913  (what jobs are made of)
    answers: Answers,
    runner: Runner,
    registry: Registry,
    charges: JobCharges,
    limits: JobLimits,
    most_open_clips: int,
    tracing: Tracing,
) -> APIRouter:
    routes, keeper = APIRouter(tags=["jobs"]), answers.keeper

    async def check_room(new: NewJob) -> None:
        """Raises QueueFull, but not for a job that was accepted before."""
        waiting = (await keeper.call(lambda store: store.conservation.tally())).clips.open
        full = waiting and waiting + len(new.clips) > most_open_clips
        if full and not await keeper.call(lambda store: store.jobs.knows(new.idempotency_key)):
            raise QueueFull(
                f"There is no room for {len(new.clips):,} clips beside the {waiting:,} that wait.",
                f"Try again in {RETRY_AFTER_S} s.",
                RETRY_AFTER_S,
            )

    @routes.post(
        "/jobs",
        status_code=202,
        summary="Certify many clips",
        openapi_extra={
            "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": job_form_schema()}}},
            "parameters": [
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "description": "the caller's name for this job: to send it again makes no other",
                    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
                }
            ],
        },
        responses=PROBLEMS | {202: {"links": _links()}},
    )
    async def submit(request: Request, response: Response) -> Job:
        """Takes many clips, as parts or in an archive, and certifies each as POST /certify would, with nobody waiting.

        Once it is answered, the job outlives the process: after a crash it goes on where it was. A clip that cannot be
        certified fails alone. Uploaded audio is kept until its clip is settled.
        """
        async with read_job(request, limits) as new:
            with tracing.part("ingest"):
                await check_room(new)
            if not await keeper.call(lambda store: store.jobs.knows(new.idempotency_key)):
                costs = costs_of(new, lambda name: registry.catalog.get(name).manifest.clip_samples)
                charges.opened(new.id, pay(purse_of(request), costs))
            try:
                with tracing.part("store"):
                    traced = replace(new, traceparent=tracing.link())
                    accepted = await keeper.call(lambda store: store.jobs.submit(traced))
            except BaseException:
                charges.cancelled(new.id)
                raise
            finally:
                runner.wake()  # of a commit whose answer was lost nobody knows whether it happened
            if not accepted.created:
                charges.cancelled(new.id)
        tracing.tell(job_id=accepted.job.id)
        response.headers["Location"] = f"/jobs/{accepted.job.id}"
        return job_document(accepted.job)

    @routes.get("/jobs/{job_id}", summary="How a job is doing", responses=NONE)
    async def job(job_id: str) -> Job:
        """States, counts, and when it is expected to end. Conservation: the five counts add up to `total`, always."""
        return job_document(await keeper.call(lambda store: store.jobs.get(job_id)))

    @routes.delete("/jobs/{job_id}", summary="Cancel a job", responses=NONE | {409: problem_of("job_finished")})
    async def cancel(job_id: str) -> Job:
        """What is settled stays; all else is given up, and its audio deleted. A second time changes nothing."""
        cancelled = await keeper.call(lambda store: store.jobs.cancel(job_id))
        charges.cancelled(job_id)
        runner.drop(job_id)
        return job_document(cancelled)

    @routes.get(
        "/jobs/{job_id}/results",
        summary="What became of a job's clips",
        response_class=StreamingResponse,
        responses=NONE
        | {
            200: {
                "description": "A line of JSON for each clip that is settled, in upload order: position, clip, label, "
                "audio_sha256, state, and a certificate or a problem",
                "content": {LINES: {"schema": {"type": "string"}}},
            }
        },
    )
    async def results(job_id: str) -> StreamingResponse:
        """At any time; complete once the job has ended. Certificates are the very bytes that POST /certify answers."""
        first = await keeper.call(lambda store: store.results.page(job_id))
        return StreamingResponse(lines(answers, job_id, first), media_type=LINES)

    @routes.get(
        "/jobs/{job_id}/events",
        summary="A job as it goes on",
        response_class=Response,
        responses=NONE
        | {
            422: problem_of("invalid_request"),
            200: {
                "description": "Events `progress` (the job), `clip` (a line of the results, in upload order, its "
                "position as id) and at last `end` (the job)",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
        },
    )
    async def stream(
        job_id: str,
        last_event_id: Annotated[
            int, Header(ge=-1, le=2**31, description="position of the last clip that was told; goes on behind it")
        ] = -1,
    ) -> EventSourceResponse:
        """For whoever does not want to poll; after a lost connection, Last-Event-ID goes on where it was."""
        await keeper.call(lambda store: store.jobs.get(job_id))
        told = events(answers, job_id, last_event_id, lambda: runner.ended)
        return EventSourceResponse(told, headers=UNBUFFERED)

    return routes


def _links() -> dict[str, Any]:
    """OpenAPI links: what can be asked of the job that was answered."""
    operations = {
        "job": "job_jobs__job_id__get",
        "cancel": "cancel_jobs__job_id__delete",
        "results": "results_jobs__job_id__results_get",
        "events": "stream_jobs__job_id__events_get",
    }
    return {
        name: {"operationId": operation, "parameters": {"job_id": "$response.body#/id"}}
        for name, operation in operations.items()
    }
