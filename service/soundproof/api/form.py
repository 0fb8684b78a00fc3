"""POST /certify's multipart form: read strictly, validated as a whole."""

import math
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

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

MOST_FIELDS = 32
MOST_FIELD_BYTES = 1024

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
    """`audio`: the uploaded file's bytes. Its name and content type are ignored."""

    fields: CertifyFields
    audio: bytes


async def read_form(request: Request, most_samples: int) -> CertifyForm:
    """The form of a request; HTTPException or RequestValidationError name what is wrong with it."""
    content_type = request.headers.get("content-type", "")
    if content_type.split(";")[0].strip().lower() != "multipart/form-data":
        raise HTTPException(415, f"The body is {content_type or 'of no stated type'}, not multipart/form-data.")
    async with request.form(max_files=2, max_fields=MOST_FIELDS, max_part_size=MOST_FIELD_BYTES) as form:
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
        texts: dict[str, Any] = {}
        for name, value in parts:
            if name != "audio":
                if isinstance(value, UploadFile):
                    raise _fault(name, "must be a text field, not a file")
                texts[name] = value
        data = await audio.read()
    try:
        fields = CertifyFields.model_validate(texts)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_context=False)) from error
    for name, votes in (("n0", fields.n0), ("n", fields.n)):
        if votes > most_samples:
            raise InvalidPlan(f"{name} is {votes}; this service takes at most {most_samples} samples a request.")
    return CertifyForm(fields, data)


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
