"""model.json: what a model folder says about itself. No torch here: the API process reads manifests, not weights."""

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator, model_validator

from soundproof.errors import ModelRefused
from soundproof.nets.specs import CnnSpec, LinearSpec, LogMelSpec
from soundproof.terms import ALLOWED_RATES_HZ, Gain

MANIFEST, WEIGHTS, CARD = "model.json", "weights.safetensors", "CARD.md"
MOST_MANIFEST_BYTES = 1 << 20

Space = Literal["waveform", "feature"]
PositiveFloat = Annotated[FiniteFloat, Field(gt=0)]


class Training(BaseModel):
    """How the weights were made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    noise_sigma: tuple[Annotated[FiniteFloat, Field(ge=0)], ...] = Field(
        description="standard deviations of the Gaussian waveform noise seen in training; each clip drew one"
    )
    epochs: int
    seed: int
    clips: int


class Measured(BaseModel):
    """What models/evaluate.py measured on the test split, with the service's own code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: str
    clean_accuracy: float = Field(description="share of clips that the base classifier gets right without noise")
    clean_clips: int
    positive_radius_accuracy: dict[str, float] = Field(
        description="by sigma: share of clips whose smoothed prediction is right with a positive radius"
    )
    certified_clips: int
    n0: int
    n: int
    alpha: float
    command: str


class ModelManifest(BaseModel):
    """A model folder's description, complete enough to build the network and to say what was certified."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["1"] = "1"
    name: str
    version: str = Field(min_length=1, max_length=64)
    architecture: CnnSpec | LinearSpec = Field(discriminator="name")
    front_end: LogMelSpec | None = Field(None, description="null when the classifier takes the waveform itself")
    classes: tuple[str, ...] = Field(min_length=2, max_length=10_000)
    sample_rate_hz: int
    clip_samples: int = Field(ge=1, le=60 * 192_000)
    gain: Gain
    training: Training
    recommended_sigma: dict[Space, PositiveFloat] = Field(description="the default noise, by certified space")
    data: str
    data_licence: str
    licence: str
    weights_sha256: str
    measured: Measured | None = None

    @field_validator("name")
    @classmethod
    def _name_is_a_slug(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name):
            raise ValueError("a name is 1 to 64 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit")
        return name

    @field_validator("classes")
    @classmethod
    def _classes_are_distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) != len(classes) or not all(classes):
            raise ValueError("class names must be distinct and not empty")
        return classes

    @model_validator(mode="after")
    def _parts_fit(self) -> "ModelManifest":
        if self.sample_rate_hz not in ALLOWED_RATES_HZ:
            raise ValueError(f"sample_rate_hz must be one of {ALLOWED_RATES_HZ}")
        if isinstance(self.architecture, CnnSpec) != (self.front_end is not None):
            raise ValueError("architecture 'log-mel-cnn' needs a front_end; 'linear' takes none")
        if set(self.recommended_sigma) != {"waveform", "feature"}:
            raise ValueError("recommended_sigma needs 'waveform' and 'feature'")
        return self

    @property
    def feature_shape(self) -> tuple[int, ...]:
        """The shape of one clip's features: (n_mels, frames), or (time,) without a front end."""
        return self.front_end.shape(self.clip_samples) if self.front_end else (self.clip_samples,)

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest, the weights' digest included, without what was measured afterwards."""
        content = self.model_dump(mode="json", exclude={"measured"})
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_manifest(folder: Path) -> ModelManifest:
    """The manifest of a model folder whose weights match its digest.

    ModelRefused says which of the folder, its manifest or its weights is wrong.
    """
    manifest = _parsed(folder)
    try:
        digest = weights_digest(folder)
    except OSError as error:
        raise _unreadable_weights(folder, error) from error
    _hold_to_digest(folder, manifest, digest)
    return manifest


def read_folder(folder: Path) -> tuple[ModelManifest, bytes]:
    """The manifest and the weights file whose bytes match its digest; raises as read_manifest does."""
    manifest = _parsed(folder)
    try:
        weights = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise _unreadable_weights(folder, error) from error
    _hold_to_digest(folder, manifest, hashlib.sha256(weights).hexdigest())
    return manifest, weights


def _parsed(folder: Path) -> ModelManifest:
    try:
        text = (folder / MANIFEST).read_bytes()[:MOST_MANIFEST_BYTES]
        return ModelManifest.model_validate_json(text)
    except OSError as error:
        raise ModelRefused(f"{folder}: {MANIFEST} cannot be read ({error.strerror}).") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'content'}: {fault['msg']}" for fault in error.errors()
        )
        raise ModelRefused(f"{folder}: {MANIFEST} is wrong: {faults}.") from error


def _hold_to_digest(folder: Path, manifest: ModelManifest, digest: str) -> None:
    if digest != manifest.weights_sha256:
        raise ModelRefused(
            f"{folder}: the digest of {WEIGHTS} is {digest}, but {MANIFEST} says {manifest.weights_sha256}.",
            "The weights were changed or belong to another manifest.",
        )


def _unreadable_weights(folder: Path, error: OSError) -> ModelRefused:
    return ModelRefused(f"{folder}: {WEIGHTS} cannot be read ({error.strerror}).")


def write_manifest(folder: Path, manifest: ModelManifest) -> ModelManifest:
    """Write model.json beside the weights, with their digest filled in."""
    manifest = manifest.model_copy(update={"weights_sha256": weights_digest(folder)})
    content: dict[str, Any] = manifest.model_dump(mode="json")
    (folder / MANIFEST).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return manifest


def weights_digest(folder: Path) -> str:
    with (folder / WEIGHTS).open("rb") as weights:
        return hashlib.file_digest(weights, "sha256").hexdigest()
