"""POST /verify."""

from typing import Any

from fastapi import APIRouter, Request

from soundproof.api.access.door import purse_of
from soundproof.api.fields import form_schema
from soundproof.api.form import read_form
from soundproof.api.problems import problem_of
from soundproof.api.routes.certify import PROBLEMS as CERTIFY_PROBLEMS
from soundproof.api.routes.certify import unless_gone
from soundproof.api.verifier import Verifier
from soundproof.api.verify_fields import CERTIFICATE, VerifyFields
from soundproof.verify.report import Report

# A model that is not there and a plan that is none fail checks; they are no errors of the request.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: described for status, described in CERTIFY_PROBLEMS.items() if status not in (404, 422)
} | {
    422: problem_of(
        "invalid_request",
        "malformed_wav",
        "malformed_audio",
        "unsupported_rate",
        "unsupported_channels",
        "invalid_samples",
        "empty_audio",
        "silent_audio",
    )
}


def router(verifier: Verifier, most_samples: int) -> APIRouter:
    routes = APIRouter(tags=["verify"])

    @routes.post(
        "/verify",
        summary="Check a certificate against its clip",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"multipart/form-data": {"schema": form_schema(VerifyFields)}},
            }
        },
        responses=PROBLEMS,
    )
    async def verify(request: Request) -> Report:
        """Is it what it was when it was issued, does it follow from its counts, and does drawing the votes again agree?

        A certificate that is found wrong is a report with failed checks, whatever was sent as one; a clip that cannot
        be read is an error as of POST /certify.
        """
        async with read_form(request, VerifyFields, most_samples, CERTIFICATE) as form:
            return await unless_gone(request, verifier.verify(form, purse_of(request)))

    return routes
