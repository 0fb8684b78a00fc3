"""A multipart form with a clip: read strictly, validated as a whole."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from soundproof.api.fields import RANGES, Fields
from soundproof.errors import InvalidPlan

MOST_FIELDS = 32
MOST_FIELD_BYTES = 1024

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
    async with _parsed(request, document) as form:
        parts = form.multi_items()
        names = [name for name, _ in parts]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise _fault(repeated[0], "may be given once only")
        audio = dict(parts).get("audio")
        if not isinstance(audio, UploadFile):
            raise _fault(
                "audio", "a file part is required" if audio is None else "must be a file part, with a filename"
            )
        texts: dict[str, str | bytes] = {}
        for name, value in parts:
            if name == "audio":
                continue
            if not isinstance(value, UploadFile):
                texts[name] = value
            elif document is not None and name == document.name:
                texts[name] = await value.read(document.most_bytes + 1)
            else:
                raise _fault(name, "must be a text field, not a file")
        yield Form(_validated(texts, kind, most_samples), audio)


class _Parser(MultiPartParser):
    """Starlette's parser, which leaves out a part that is cut short; this one tells whether the end was received."""

    ended = False

    def on_end(self) -> None:
        self.ended = True


@asynccontextmanager
async def _parsed(request: Request, document: Document | None) -> AsyncIterator[FormData]:
    """The parts of a whole multipart form; its files are closed at the end."""
    stated = request.headers.get("content-type", "")
    content_type, options = parse_options_header(stated)
    if content_type != b"multipart/form-data":
        raise HTTPException(415, f"The body is {stated or 'of no stated type'}, not multipart/form-data.")
    charset = options.get(b"charset", b"utf-8").decode("latin-1")
    if charset.lower() != "utf-8":  # Python has codecs that are no charsets, and some that raise what nobody expects
        raise HTTPException(415, f"The form's charset is {charset!r}; only utf-8 is read.")
    async with aclosing(request.stream()) as stream:
        parser = _Parser(
            request.headers,
            stream,
            max_files=2 if document is None else 3,  # one is too many, and can be named as such
            max_fields=MOST_FIELDS,
            max_part_size=MOST_FIELD_BYTES if document is None else document.most_bytes,
        )
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise HTTPException(400, f"The form cannot be read: {error.message}") from error
    try:
        if not parser.ended:
            raise HTTPException(400, "The form ends before its closing boundary.")
        yield form
    finally:
        await form.close()


def _validated(texts: dict[str, str | bytes], kind: type[AnyFields], most_samples: int) -> AnyFields:
    try:
        fields = kind.model_validate(texts)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        raise RequestValidationError([_explained(fault, kind, most_samples) for fault in faults]) from error
    if isinstance(fields, Fields):
        for name, votes in (("n0", fields.n0), ("n", fields.n)):
            if votes > most_samples:
                raise InvalidPlan(f"{name} is {votes}; this service takes at most {most_samples} samples a request.")
    return fields


def _explained(fault: ErrorDetails, kind: type[BaseModel], most_samples: int) -> ErrorDetails:
    """The same fault, in words that name what would be right."""
    field = str(fault["loc"][0])
    if fault["type"] == "extra_forbidden":
        known = ", ".join(["audio", *kind.model_fields])
        return {**fault, "msg": f"is not a field of this form; they are {known}"}
    if field in RANGES:
        low, high = RANGES[field]
        whole = isinstance(high, int)
        if field in ("n0", "n"):
            high = min(high, most_samples)
        number, form = ("a whole number", ",") if whole else ("a number", "g")
        return {**fault, "msg": f"must be {number} between {low:{form}} and {high:{form}}"}
    return fault


def _fault(field: str, message: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": (field,), "msg": message, "input": None}])
