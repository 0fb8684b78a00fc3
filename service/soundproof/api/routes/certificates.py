"""GET /certificates/{id}."""

from fastapi import APIRouter
from starlette.responses import Response

from soundproof.api import examples
from soundproof.api.answers import Answers
from soundproof.api.problems import problem_of
from soundproof.certificate import Certificate


def router(answers: Answers) -> APIRouter:
    routes = APIRouter(tags=["certificates"])

    @routes.get(
        "/certificates/{certificate_id}",
        response_model=Certificate,
        summary="A certificate that was issued here",
        responses={
            200: {"content": {"application/json": {"example": examples.certificate()}}},
            404: problem_of("unknown_certificate"),
            503: problem_of("store_unavailable"),
        },
    )
    async def certificate(certificate_id: str) -> Response:
        """The document that was answered, byte by byte. It may be deleted after some time: whoever relies on it keeps
        their own copy."""
        return (await answers.get(certificate_id)).response

    return routes
