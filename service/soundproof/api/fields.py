"""What can be asked for beside the clip: the fields of the forms, their ranges, their schemas."""

import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from soundproof.smoothing.plan import (
    ALPHA_RANGE,
    N0_RANGE,
    N_RANGE,
    SEED_RANGE,
    SIGMA_RANGE,
    TARGET_SNR_DB_RANGE,
    BoundName,
    ContractName,
    NoiseName,
    TransformName,
)
from soundproof.terms import Precision

# Votes that POST /verify draws anew; 0: none.
FRESH_RANGE = (0, 100_000)

RANGES: dict[str, tuple[float, float]] = {
    "sigma": SIGMA_RANGE,
    "n0": N0_RANGE,
    "n": N_RANGE,
    "alpha": ALPHA_RANGE,
    "seed": SEED_RANGE,
    "target_snr_db": TARGET_SNR_DB_RANGE,
    "fresh_votes": FRESH_RANGE,
}


def _true_or_false(given: object) -> object:
    """As text only these words: what else pydantic takes for them, from "on" to "0", is as likely a mistake."""
    if isinstance(given, str) and given.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return given


Flag = Annotated[bool, BeforeValidator(_true_or_false)]
Sigma = Annotated[float, Field(ge=SIGMA_RANGE[0], le=SIGMA_RANGE[1], allow_inf_nan=False)]
Alpha = Annotated[float, Field(ge=ALPHA_RANGE[0], le=ALPHA_RANGE[1], allow_inf_nan=False)]

# -0.0 would be a seed of its own.
TargetSnrDb = Annotated[
    float,
    Field(ge=TARGET_SNR_DB_RANGE[0], le=TARGET_SNR_DB_RANGE[1], allow_inf_nan=False),
    AfterValidator(lambda target: target + 0.0),
]


class Fields(BaseModel):
    """What every form takes beside the clip. Every field is optional."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = Field(None, max_length=64, description="a name from GET /models; default: the default model")
    n0: int = Field(100, ge=N0_RANGE[0], le=N0_RANGE[1], description="selection votes")
    n: int = Field(10_000, ge=N_RANGE[0], le=N_RANGE[1], description="estimation votes")
    alpha: Alpha = Field(0.001, description="failure probability of the certificate")
    bound: BoundName = Field(
        BoundName.CLOPPER_PEARSON, description="multiclass also bounds the runner-up, each at alpha / 2"
    )
    target_snr_db: TargetSnrDb | None = Field(
        None,
        description="asks a gate instead of the largest radius: does the answer hold down to this SNR of the waveform, "
        "in dB? Draws only as many of the n votes as that takes, n at most 1,000,000; the answer has a `verdict`",
    )
    noise: NoiseName = Field(
        NoiseName.FLOAT,
        description="how the noise is drawn and added: float, in floating point, nearly the Gaussian of the theorem; "
        "lattice, so that the theorem holds of the very numbers that are computed; the radius is less by the "
        "certificate's `radius_slack`",
    )
    precision: Precision = Field(
        Precision.FLOAT32,
        description="in which the network computes behind its front end: bfloat16 may be quicker, and is a classifier "
        "of its own; the model's `precisions` say what it can do",
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


class ClipFields(Fields):
    """One contract, one sigma: what can be asked of any clip, of one in a job too."""

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


class CertifyFields(ClipFields):
    """POST /certify."""

    progress: Flag = Field(
        False,
        description="answer with a stream of events: `progress` while votes come in, then `certificate` or `problem`",
    )


def form_schema(fields: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI schema of a form, with the ranges that validation applies."""
    schema = fields.model_json_schema(ref_template="#/components/schemas/{model}")
    definitions = schema.pop("$defs", {})
    audio = {
        "type": "string",
        "format": "binary",
        "description": "WAV: PCM of 16, 24 or 32 bits or 32-bit float, mono or stereo, at an allowed sample rate; "
        "where the operator allows it FLAC, Ogg or MP3 (limits.formats of GET /models)",
    }
    properties = {"audio": audio, **schema["properties"]}
    required = ["audio", *schema.get("required", [])]
    for name, property_ in properties.items():
        properties[name] = _inlined(property_, definitions)
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """A schema with references to enumerations replaced by them, and without nulls."""
    if isinstance(schema, list):
        return [_inlined(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return int(schema) if isinstance(schema, float) and math.isfinite(schema) and schema == int(schema) else schema
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return {**definitions[name], **rest}
    if "anyOf" in schema:  # of a value and null, which a form cannot send: a field that is left out is no field
        [value] = [each for each in schema["anyOf"] if each != {"type": "null"}]
        rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
        return _inlined({**value, **rest}, definitions)
    return {key: _inlined(value, definitions) for key, value in schema.items()}
