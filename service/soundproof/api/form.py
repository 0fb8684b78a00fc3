"""POST /certify's multipart form: read strictly, validated as a whole."""

import math
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from soundproof.errors import InvalidPlan
from soundproof.smoothing.plan import (
    ALPHA_RANGE,
    N0_RANGE,
    N_RANGE,
    SEED_RANGE,
    SIGMA_RANGE,
    BoundName,
    ContractName,
    TransformName,
)

MOST_FILES = 2  # one is too many, and can be named as such
MOST_FIELDS = 32
MOST_FIELD_BYTES = 1024

RANGES: dict[str, tuple[float, float]] = {
    "sigma": SIGMA_RANGE,
    "n0": N0_RANGE,
    "n": N_RANGE,
    "alpha": ALPHA_RANGE,
    "seed": SEED_RANGE,
}

Sigma = Annotated[float, Field(ge=SIGMA_RANGE[0], le=SIGMA_RANGE[1], allow_inf_nan=False)]
Alpha = Annotated[float, Field(ge=ALPHA_RANGE[0], le=ALPHA_RANGE[1], allow_inf_nan=False)]


class CertifyFields(BaseModel):
    """What to certify, beside the clip. Every field is optional."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = Field(None, max_length=64, description="a name from GET /models; default: the default model")
    contract: ContractName = Field(
        ContractName.WAVEFORM, description="where the noise is added, hence what is certified"
    )
    transform: TransformName = Field(
        TransformName.FIXED,
        description="applied after the noise; other than 'fixed' only with contract 'post_processed'",
    )
    sigma: Sigma | None = Field(
        None,
        description="standard deviation of the noise in the certified space: waveform amplitude after the gain, "
        "or nats for features; default: the model's recommended value for that space",
    )
    n0: int = Field(100, ge=N0_RANGE[0], le=N0_RANGE[1], description="selection votes")
    n: int = Field(10_000, ge=N_RANGE[0], le=N_RANGE[1], description="estimation votes")
    alpha: Alpha = Field(0.001, description="failure probability of the certificate")
    bound: BoundName = Field(
        BoundName.CLOPPER_PEARSON, description="multiclass also bounds the runner-up, each at alpha / 2"
    )
    label: str | None = Field(
        None, max_length=256, description="the true class, if known: the answer then says `correct`"
    )
    seed: int | None = Field(
        None,
        ge=SEED_RANGE[0],
        le=SEED_RANGE[1],
        description="reproduces a run, and marks the certificate seed_source 'caller': whoever may pick the seed "
        "may try many; default: derived by the service from the request's content",
    )


@dataclass(frozen=True)
class CertifyForm:
    """`audio`: the uploaded file, open and not yet in memory. Its name and content type are ignored."""

    fields: CertifyFields
    audio: UploadFile


@asynccontextmanager
async def read_form(request: Request, most_samples: int) -> AsyncIterator[CertifyForm]:
    """The form of a request; HTTPException, RequestValidationError or InvalidPlan name what is wrong with it."""
    async with _parsed(request) as form:
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
        texts: dict[str, str] = {}
        for name, value in parts:
            if name != "audio":
                if isinstance(value, UploadFile):
                    raise _fault(name, "must be a text field, not a file")
                texts[name] = value
        yield CertifyForm(_validated(texts, most_samples), audio)


class _Parser(MultiPartParser):
    """Starlette's parser, which leaves out a part that is cut short; this one tells whether the end was received."""

    ended = False

    def on_end(self) -> None:
        self.ended = True


@asynccontextmanager
async def _parsed(request: Request) -> AsyncIterator[FormData]:
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
            request.headers, stream, max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=MOST_FIELD_BYTES
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


def _validated(texts: dict[str, str], most_samples: int) -> CertifyFields:
    try:
        fields = CertifyFields.model_validate(texts)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        raise RequestValidationError([_explained(fault, most_samples) for fault in faults]) from error
    for name, votes in (("n0", fields.n0), ("n", fields.n)):
        if votes > most_samples:
            raise InvalidPlan(f"{name} is {votes}; this service takes at most {most_samples} samples a request.")
    return fields


def _explained(fault: ErrorDetails, most_samples: int) -> ErrorDetails:
    """The same fault, in words that name what would be right."""
    field = str(fault["loc"][0])
    if fault["type"] == "extra_forbidden":
        known = ", ".join(["audio", *CertifyFields.model_fields])
        return {**fault, "msg": f"is not a field of this form; they are {known}"}
    if field in RANGES:
        low, high = RANGES[field]
        whole = isinstance(high, int)
        if field in ("n0", "n"):
            high = min(high, most_samples)
        kind, form = ("a whole number", ",") if whole else ("a number", "g")
        return {**fault, "msg": f"must be {kind} between {low:{form}} and {high:{form}}"}
    return fault


def form_schema() -> dict[str, Any]:
    """The OpenAPI schema of the form, with the ranges that validation applies."""
    schema = CertifyFields.model_json_schema(ref_template="#/components/schemas/{model}")
    definitions = schema.pop("$defs")
    audio = {
        "type": "string",
        "format": "binary",
        "description": "WAV: PCM of 16, 24 or 32 bits or 32-bit float, mono or stereo, at an allowed sample rate",
    }
    properties = {"audio": audio, **schema["properties"]}
    for name, property_ in properties.items():
        properties[name] = _inlined(property_, definitions)
    return {"type": "object", "required": ["audio"], "properties": properties, "additionalProperties": False}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """A schema with references to enumerations replaced by them."""
    if isinstance(schema, list):
        return [_inlined(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return int(schema) if isinstance(schema, float) and math.isfinite(schema) and schema == int(schema) else schema
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return {**definitions[name], **rest}
    return {key: _inlined(value, definitions) for key, value in schema.items()}


def _fault(field: str, message: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": (field,), "msg": message, "input": None}])
