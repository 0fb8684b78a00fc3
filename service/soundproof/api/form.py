"""A multipart form with a clip: read strictly, validated as a whole."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.datastructures import UploadFile

from soundproof.api.fields import RANGES, Fields
from soundproof.api.parts import Parser, fault, read_parts
from soundproof.errors import InvalidPlan

AnyFields = TypeVar("AnyFields", bound=BaseModel)


@dataclass(frozen=True)
class Form(Generic[AnyFields]):
    """`audio`: the uploaded file, open and not yet in memory. Its name and content type are ignored."""

    fields: AnyFields
    audio: UploadFile


@dataclass(frozen=True)
class Document:
    """A field that is long, and may be sent as a file too."""

    name: str
    most_bytes: int


@asynccontextmanager
async def read_form(
    request: Request, kind: type[AnyFields], most_samples: int, document: Document | None = None
) -> AsyncIterator[Form[AnyFields]]:
    """The form of a request, its fields of that kind; HTTPException, RequestValidationError or InvalidPlan name what is
    wrong with it."""
    documents = {} if document is None else {document.name: document.most_bytes}
    most_files = 2 + len(documents)  # one is too many, and can be named as such
    async with read_parts(
        request, lambda headers, stream: Parser(headers, stream, most_files=most_files, documents=documents)
    ) as parts:
        names = [name for name, _ in parts]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise fault(repeated[0], "may be given once only")
        audio = dict(parts).get("audio")
        if not isinstance(audio, UploadFile):
            raise fault("audio", "a file part is required" if audio is None else "must be a file part, with a filename")
        texts: dict[str, str | bytes] = {}
        for name, value in parts:
            if name == "audio":
                continue
            if not isinstance(value, UploadFile):
                texts[name] = value
            elif name in documents:
                texts[name] = await value.read(documents[name] + 1)
            else:
                raise fault(name, "must be a text field, not a file")
        yield Form(validated(texts, kind, most_samples), audio)


def validated(
    given: Mapping[str, object], kind: type[AnyFields], most_samples: int, files: Sequence[str] = ("audio",)
) -> AnyFields:
    """Fields as they are meant. RequestValidationError or InvalidPlan name what is wrong with them; `files`: the other
    parts of the form, which are told with its fields."""
    try:
        fields = kind.model_validate(given)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        raise RequestValidationError([_explained(each, kind, most_samples, files) for each in faults]) from error
    if isinstance(fields, Fields):
        for name, votes in (("n0", fields.n0), ("n", fields.n)):
            if votes > most_samples:
                raise InvalidPlan(f"{name} is {votes}; this service takes at most {most_samples} samples a request.")
    return fields


def _explained(wrong: ErrorDetails, kind: type[BaseModel], most_samples: int, files: Sequence[str]) -> ErrorDetails:
    """The same fault, in words that name what would be right."""
    field = str(wrong["loc"][0])
    if wrong["type"] == "extra_forbidden":
        known = ", ".join([*files, *kind.model_fields])
        return {**wrong, "msg": f"is not a field of this form; they are {known}"}
    if field in RANGES:
        low, high = RANGES[field]
        whole = isinstance(high, int)
        if field in ("n0", "n"):
            high = min(high, most_samples)
        number, form = ("a whole number", ",") if whole else ("a number", "g")
        return {**wrong, "msg": f"must be {number} between {low:{form}} and {high:{form}}"}
    return wrong
