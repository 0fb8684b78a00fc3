"""POST /certify and POST /certify/sweep."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.sse import EventSourceResponse
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from soundproof.api import examples
from soundproof.api.access.door import purse_of
from soundproof.api.certifier import Certifier, Manner
from soundproof.api.events import UNBUFFERED, stream
from soundproof.api.fields import CertifyFields, Fields, form_schema
from soundproof.api.form import read_form
from soundproof.api.problems import problem_of
from soundproof.api.sweep_fields import SweepFields
from soundproof.certificate import Certificate
from soundproof.sweep import Sweep

T = TypeVar("T")

PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: problem_of("bad_request"),
    403: problem_of("forbidden", "budget_too_small"),
    404: problem_of("unknown_model"),
    408: problem_of("request_timeout"),
    413: problem_of("body_too_large", "audio_too_long"),
    415: problem_of("unsupported_media_type", "unsupported_audio"),
    422: problem_of(
        "invalid_request",
        "invalid_plan",
        "impossible_plan",
        "unknown_label",
        "malformed_wav",
        "malformed_audio",
        "unsupported_rate",
        "unsupported_channels",
        "invalid_samples",
        "empty_audio",
        "silent_audio",
    ),
    429: problem_of("queue_full", "budget_exhausted") | {"headers": {"Retry-After": {"schema": {"type": "integer"}}}},
    500: problem_of("internal_error"),
    503: problem_of("model_unavailable", "worker_lost", "decoder_lost", "device_memory_exhausted", "engine_stopped"),
}
EVENTS = "Events `progress` (samples, samples_planned, prediction, running), then one `certificate` or `problem`."


def router(certifier: Certifier, most_samples: int) -> APIRouter:
    routes = APIRouter(tags=["certify"])

    @routes.post(
        "/certify",
        response_model=Certificate,
        summary="Certify one clip",
        openapi_extra=_body(CertifyFields),
        responses=PROBLEMS
        | {
            200: {
                "description": "A certificate, or an abstention: both are honest answers, told apart by `outcome`. "
                "With `progress` a stream of events instead.",
                "links": {
                    "kept": {
                        "operationId": "certificate_certificates__certificate_id__get",
                        "parameters": {"certificate_id": "$response.body#/certificate_id"},
                    }
                },
                "headers": {
                    "Cached": {
                        "description": "true: this was asked before, and is answered from the store, byte by byte",
                        "schema": {"type": "string", "enum": ["true", "false"]},
                    }
                },
                "content": {
                    "application/json": {"example": examples.certificate()},
                    "text/event-stream": {"schema": {"type": "string", "description": EVENTS}},
                },
            }
        },
    )
    async def certify(request: Request) -> Response:
        """Draws n0 + n Gaussian noise samples around the clip, in the space that `contract` names, and bounds the
        probability of the class that wins: the radius within which the smoothed classifier cannot change its answer.

        The clip is mixed to mono, resampled to the model's rate, cropped or padded to its length and brought to its
        level; the answer says what was done, and what the radius means for the samples that were uploaded.

        With `target_snr_db` the question is another: does the answer hold down to this SNR? Votes are drawn until that
        is certified, at most n, and `verdict` says how it ended.

        The same clip, model and plan is the same certificate: asked again, it is answered from the store, byte by byte.
        A request with `Cache-Control: no-store` is neither answered from there nor kept.
        """
        async with read_form(request, CertifyFields, most_samples) as form:
            if form.fields.progress:
                watched = await certifier.watched(form, _manner(request))
                return EventSourceResponse(stream(request, watched), headers=UNBUFFERED)
            return (await unless_gone(request, certifier.certify(form, _manner(request)))).response

    @routes.post(
        "/certify/sweep",
        summary="Certify one clip under several settings",
        openapi_extra=_body(SweepFields),
        responses=PROBLEMS,
    )
    async def sweep(request: Request) -> Sweep:
        """One certificate for each of `settings`, several contracts or sigmas: how much does the certificate depend on
        what is certified? Each is what POST /certify would have answered, at an alpha of its own that is stated.

        With `confidence` all, alpha is shared out between them, so that all of them hold at once with confidence
        1 - alpha (Bonferroni). Either all certificates are answered or none.
        """
        async with read_form(request, SweepFields, most_samples) as form:
            return await unless_gone(request, certifier.sweep(form, _manner(request)))

    return routes


def _manner(request: Request) -> Manner:
    """Cache-Control: no-store (RFC 9111) asks for a certificate that is drawn now and kept nowhere."""
    kept = "no-store" not in ",".join(request.headers.getlist("cache-control")).lower()
    return Manner(kept=kept, payer=purse_of(request))


def _body(fields: type[Fields]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form_schema(fields)}}}}


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client leaves (ClientDisconnect)."""
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
