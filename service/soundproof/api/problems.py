"""Every error's one way to HTTP: exception -> status, title and code, as application/problem+json (RFC 9457)."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from soundproof import errors
from soundproof.api import headers as security
from soundproof.errors import BudgetExhausted, EngineStopped, Forbidden, QueueFull, SoundproofError, Unauthenticated

log = logging.getLogger("soundproof.api")

MEDIA_TYPE = "application/problem+json"
# How soon whoever takes the place of a service that ends may be there.
RESTART_S = 5
# Of a request's scope: the code of the problem that it was answered with, for api/observe.py to count.
TOLD = "soundproof.problem"
# What nobody reads: the client is gone. Counted, never sent.
CLIENT_GONE = 499

TABLE: dict[type[SoundproofError], tuple[int, str]] = {
    errors.UnsupportedAudio: (415, "Unsupported audio"),
    errors.MalformedWav: (422, "Malformed WAV file"),
    errors.MalformedAudio: (422, "Malformed audio"),
    errors.UnsupportedRate: (422, "Unsupported sample rate"),
    errors.UnsupportedChannels: (422, "Unsupported number of channels"),
    errors.InvalidSamples: (422, "Invalid samples"),
    errors.EmptyAudio: (422, "Empty audio"),
    errors.AudioTooLong: (413, "Audio too long"),
    errors.SilentAudio: (422, "Silent audio"),
    errors.InvalidPlan: (422, "Invalid request"),
    errors.ImpossiblePlan: (422, "Impossible certification"),
    errors.UnknownLabel: (422, "Unknown label"),
    errors.UnknownModel: (404, "Unknown model"),
    errors.ModelRefused: (503, "Model refused"),
    errors.ModelUnavailable: (503, "Model unavailable"),
    errors.QueueFull: (429, "Queue full"),
    errors.WorkerLost: (503, "Worker lost"),
    errors.WorkerFault: (500, "Internal error"),
    errors.DecoderLost: (503, "Decoder lost"),
    errors.DeviceMemoryExhausted: (503, "Device memory exhausted"),
    errors.EngineStopped: (503, "Shutting down"),
    errors.Unauthenticated: (401, "Unauthenticated"),
    errors.Forbidden: (403, "Forbidden"),
    errors.BudgetExhausted: (429, "Budget exhausted"),
    errors.BudgetTooSmall: (403, "Budget too small"),
    errors.StoreUnavailable: (503, "Store unavailable"),
    errors.StoreRefused: (503, "Store refused"),
    errors.UnknownCertificate: (404, "Unknown certificate"),
    errors.UnknownJob: (404, "Unknown job"),
    errors.IdempotencyConflict: (409, "Idempotency conflict"),
    errors.JobFinished: (409, "Job finished"),
    errors.ClaimLost: (409, "Claim lost"),
}

# What the framework raises itself: status -> code, title, hint.
FRAMEWORK: dict[int, tuple[str, str, str]] = {
    400: ("bad_request", "Bad request", "Send multipart/form-data; GET /docs says with which parts."),
    404: ("not_found", "Not found", "GET /openapi.json lists what there is."),
    405: ("method_not_allowed", "Method not allowed", "The Allow header names the methods of this address."),
    408: ("request_timeout", "Request timeout", "Send the whole body faster."),
    413: ("body_too_large", "Body too large", "Send less: 16-bit mono at the model's rate, fewer clips."),
    415: (
        "unsupported_media_type",
        "Unsupported media type",
        "Send multipart/form-data; GET /docs says with which parts.",
    ),
    422: ("invalid_request", "Invalid request", ""),
    503: ("not_ready", "Not ready", "Try again in a few seconds; GET /readyz says when."),
}


INTERNAL = (
    500,
    "Internal error",
    "internal_error",
    "The service failed on this request.",
    "Please report it with the request_id.",
)


class FieldFault(BaseModel):
    """One field that was refused."""

    field: str
    message: str


class Problem(BaseModel):
    """Every error of this service, as application/problem+json."""

    type: str = Field(description="urn:soundproof:problem: and the code")
    title: str
    status: int
    detail: str = Field(description="what is wrong in this case")
    code: str = Field(description="stable; docs/api.md lists them all")
    hint: str = Field(description="what to do about it; may be empty")
    request_id: str = Field(description="also in the X-Request-ID header and in the service's log")
    errors: list[FieldFault] | None = Field(None, description="the fields at fault, where there are several")


_SCHEMAS = "#/components/schemas/{model}"


def problem_of(*codes: str) -> dict[str, Any]:
    """The OpenAPI description of an error answer."""
    schema = {"$ref": _SCHEMAS.format(model=Problem.__name__)}
    return {"description": ", ".join(codes), "content": {MEDIA_TYPE: {"schema": schema}}}


def describe(document: dict[str, Any]) -> None:
    """Add to an OpenAPI document the schema that problem_of refers to."""
    _, schemas = models_json_schema([(Problem, "serialization")], ref_template=_SCHEMAS)
    document["components"]["schemas"].update(schemas["$defs"])


def install(app: FastAPI) -> None:
    """Make every error of the application a Problem."""
    app.add_exception_handler(SoundproofError, _ours)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _bug)


def problem_document(error: SoundproofError) -> dict[str, Any]:
    """An error of a clip, as it is kept: what its request would have been answered, without a request's id."""
    status, title = TABLE[type(error)]
    return {
        "type": f"urn:soundproof:problem:{error.code}",
        "title": title,
        "status": status,
        "detail": error.detail,
        "code": error.code,
        "hint": error.hint,
    }


def problem_for(request: Request, error: Exception) -> Problem:
    """An error as it is told where the status line has been sent already."""
    request_id = request.scope.get("soundproof.request_id", "")
    if isinstance(error, SoundproofError):
        request.scope[TOLD] = error.code
        return Problem(**problem_document(error), request_id=request_id)
    log.error("request %s failed", request_id, exc_info=error)
    status, title, code, detail, hint = INTERNAL
    request.scope[TOLD] = code
    return Problem(
        type=f"urn:soundproof:problem:{code}",
        title=title,
        status=status,
        detail=detail,
        code=code,
        hint=hint,
        request_id=request_id,
    )


def problem(  # noqa: PLR0913
    request: Request,
    *,
    status: int,
    title: str,
    code: str,
    detail: str,
    hint: str = "",
    faults: list[FieldFault] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    request.scope[TOLD] = code
    body = Problem(
        type=f"urn:soundproof:problem:{code}",
        title=title,
        status=status,
        detail=detail,
        code=code,
        hint=hint,
        request_id=request.scope.get("soundproof.request_id", ""),
        errors=faults,
    )
    return JSONResponse(body.model_dump(exclude_none=True), status, headers, MEDIA_TYPE)


def answer_to(request: Request, error: SoundproofError) -> Response:
    """An error of ours as the whole answer."""
    status, title = TABLE[type(error)]
    return problem(
        request,
        status=status,
        title=title,
        code=error.code,
        detail=error.detail,
        hint=error.hint,
        headers=_headers_of(error),
    )


def _headers_of(error: SoundproofError) -> dict[str, str] | None:
    """What belongs to the status: RFC 9110, sections 10.2.3 and 11.6.1; RFC 6750, section 3."""
    match error:
        case QueueFull() | BudgetExhausted():
            return {"Retry-After": str(error.retry_after_s)}
        case EngineStopped():
            return {"Retry-After": str(RESTART_S)}
        case Unauthenticated():
            return {"WWW-Authenticate": "Bearer"}
        case Forbidden(scope=scope) if scope:
            return {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}
        case _:
            return None


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, SoundproofError)  # noqa: S101  (registered for nothing else)
    return answer_to(request, error)


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    code, title, hint = FRAMEWORK.get(error.status_code, ("http_error", "HTTP error", ""))
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return problem(
        request,
        status=error.status_code,
        title=title,
        code=code,
        detail=str(error.detail),
        hint=hint,
        headers=headers,
    )


def _methods(request: Request) -> set[str]:
    """Of every route of the address (RFC 9110, section 10.2.1): the framework names those of the first."""
    routes = iter_route_contexts(request.app.routes)
    found = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    methods = {method for route in found for method in route.methods or ()}
    return methods | {"HEAD"} if "GET" in methods else methods


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    faults = [field_fault(fault) for fault in error.errors()]
    code, title, hint = FRAMEWORK[422]
    detail = "; ".join(f"{fault.field}: {fault.message}" for fault in faults)
    return problem(request, status=422, title=title, code=code, detail=detail, hint=hint, faults=faults)


async def _gone(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return Response(status_code=CLIENT_GONE)


async def _bug(request: Request, error: Exception) -> Response:
    request_id = request.scope.get("soundproof.request_id", "")
    # Outside of api/observe.py, where the log would know the request by itself.
    log.error("request %s failed", request_id, exc_info=error, extra={"request_id": request_id})
    status, title, code, detail, hint = INTERNAL
    return problem(
        request,
        status=status,
        title=title,
        code=code,
        detail=detail,
        hint=hint,
        # This one answer does not pass through api/observe.py and api/headers.py, and the server ends the connection
        # behind it.
        headers=security.ALWAYS | {"X-Request-ID": request_id, "Connection": "close"},
    )


def field_fault(fault: Any) -> FieldFault:
    """A pydantic error as the name of the field and a sentence; what was sent is not repeated."""
    place = [str(part) for part in fault["loc"] if part not in ("body", "query", "path")]
    return FieldFault(field=".".join(place) or "body", message=fault["msg"])
