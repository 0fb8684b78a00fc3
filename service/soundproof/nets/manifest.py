"""model.json: what a model folder says about itself. No torch here: the API process reads manifests, not weights."""

import errno
import hashlib
import json
import os
import re
import stat
from io import BufferedReader
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
    field_validator,
    model_validator,
)

from soundproof.errors import ModelRefused
from soundproof.nets.specs import CnnSpec, ExportedSpec, HuggingFaceSpec, LinearSpec, LogMelSpec, OnnxSpec
from soundproof.terms import ALLOWED_RATES_HZ, Gain, Precision

MANIFEST, WEIGHTS, CARD = "model.json", "weights.safetensors", "CARD.md"
MOST_MANIFEST_BYTES = 1 << 20
# What a folder holds, by the architecture's name: the main weights, whose digest certificates show, and the rest.
MAIN_FILE = {
    "log-mel-cnn": WEIGHTS,
    "linear": WEIGHTS,
    "onnx": "model.onnx",
    "torch-export": "model.pt2",
    "hugging-face": "model.safetensors",
}
OTHER_FILES = {"hugging-face": frozenset({"config.json", "preprocessor_config.json"})}


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it has control characters or others that cannot be printed")
    return text


Space = Literal["waveform", "feature"]
# No line breaks or other control characters: these go into logs, cards and answers.
Printable = Annotated[str, AfterValidator(_printable)]
PositiveFloat = Annotated[FiniteFloat, Field(gt=0)]


class Training(BaseModel):
    """How the weights were made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    noise_sigma: tuple[Annotated[FiniteFloat, Field(ge=0)], ...] = Field(
        description="standard deviations of the Gaussian waveform noise seen in training; each clip drew one"
    )
    epochs: int
    seed: int
    fold: int | None = Field(None, description="the fold held out for testing, where the data set is cross-validated")
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
    version: Printable = Field(min_length=1, max_length=64)
    architecture: CnnSpec | LinearSpec | OnnxSpec | ExportedSpec | HuggingFaceSpec = Field(discriminator="name")
    front_end: LogMelSpec | None = Field(None, description="null when the classifier takes the waveform itself")
    classes: tuple[Printable, ...] = Field(min_length=2, max_length=10_000)
    sample_rate_hz: int
    clip_samples: int = Field(ge=1, le=60 * 192_000)
    gain: Gain
    training: Training | None = Field(None, description="null where the weights were made by others")
    recommended_sigma: dict[Space, PositiveFloat] = Field(description="the default noise, by certified space")
    data: Printable
    data_licence: Printable
    licence: Printable
    weights_sha256: Printable
    files: dict[str, Printable] = Field(
        {}, description="SHA-256 of every file that is loaded beside the weights, by name"
    )
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
            raise ValueError("architecture 'log-mel-cnn' needs a front_end; the others take none")
        needed = {"waveform", "feature"} if self.has_features else {"waveform"}
        if not needed <= set(self.recommended_sigma):
            raise ValueError(f"recommended_sigma needs {' and '.join(map(repr, sorted(needed, reverse=True)))}")
        others = OTHER_FILES.get(self.architecture.name, frozenset())
        if set(self.files) != others:
            raise ValueError(f"files must name {', '.join(sorted(others)) or 'nothing'} beside {self.main_file}")
        return self

    @property
    def main_file(self) -> str:
        """The file whose digest is `weights_sha256`."""
        return MAIN_FILE[self.architecture.name]

    @property
    def has_features(self) -> bool:
        """Whether the classifier has a feature stage, on which contract `feature` puts its noise."""
        return self.front_end is not None or self._declared_features is not None

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """What the network can compute in. Programs of others are run as they were saved."""
        return tuple(Precision) if isinstance(self.architecture, CnnSpec) else (Precision.FLOAT32,)

    @property
    def feature_shape(self) -> tuple[int, ...]:
        """The shape of one clip's features: (n_mels, frames) or as the extractor has it, or (time,) without any."""
        if self.front_end:
            return self.front_end.shape(self.clip_samples)
        return self._declared_features or (self.clip_samples,)

    @property
    def feature_step(self) -> str:
        """What makes the features, as the last of the steps that a certificate lists."""
        return "log_mel" if self.front_end else "feature_extractor"

    @property
    def feature_unit(self) -> str:
        """The unit of one feature, and so of a radius among them."""
        return "log-mel, nats" if self.front_end else "the extractor's own unit"

    @property
    def _declared_features(self) -> tuple[int, ...] | None:
        return self.architecture.feature_shape if isinstance(self.architecture, HuggingFaceSpec) else None

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest, the digests of all its files included, without what was measured afterwards.

        What is null or empty is left out, so that a field which is new and unused changes no digest.
        """
        content = self.model_dump(mode="json", exclude={"measured"}, exclude_none=True)
        if not self.files:
            del content["files"]
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_manifest(folder: Path) -> ModelManifest:
    """The manifest of a model folder whose files match their digests.

    ModelRefused says which of the folder, its manifest or its files is wrong.
    """
    manifest = _parsed(folder)
    for name, expected in _digests(manifest).items():
        try:
            found = file_digest(folder / name)
        except OSError as error:
            raise _unreadable(folder, name, error) from error
        _hold_to_digest(folder, name, expected, found)
    return manifest


def read_folder(folder: Path) -> tuple[ModelManifest, dict[str, bytes]]:
    """The manifest and, by name, the content of every file it vouches for; raises as read_manifest does.

    The bytes that were hashed are those that are returned: nothing is read twice.
    """
    manifest = _parsed(folder)
    contents: dict[str, bytes] = {}
    for name, expected in _digests(manifest).items():
        try:
            contents[name] = _content(folder, name)
        except OSError as error:
            raise _unreadable(folder, name, error) from error
        _hold_to_digest(folder, name, expected, hashlib.sha256(contents[name]).hexdigest())
    return manifest, contents


def write_manifest(folder: Path, manifest: ModelManifest) -> ModelManifest:
    """Write model.json beside the files it vouches for, with their digests filled in."""
    manifest = manifest.model_copy(
        update={
            "weights_sha256": file_digest(folder / manifest.main_file),
            "files": {name: file_digest(folder / name) for name in manifest.files},
        }
    )
    content: dict[str, Any] = manifest.model_dump(mode="json")
    (folder / MANIFEST).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return manifest


def file_digest(path: Path) -> str:
    with _opened(path) as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _opened(path: Path) -> BufferedReader:
    """The open file; OSError for what is none: a pipe nobody writes to would be waited for, a device never ends."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file")
    return open(descriptor, "rb")  # noqa: PTH123  (a descriptor, which the caller closes)


def _content(folder: Path, name: str) -> bytes:
    """A file's bytes; ModelRefused for JSON that is larger than any description is."""
    with _opened(folder / name) as file:
        content = file.read(MOST_MANIFEST_BYTES + 1 if name.endswith(".json") else -1)
    if name.endswith(".json") and len(content) > MOST_MANIFEST_BYTES:
        raise ModelRefused(f"{folder}: {name} is larger than {MOST_MANIFEST_BYTES} bytes.")
    return content


def _parsed(folder: Path) -> ModelManifest:
    try:
        return ModelManifest.model_validate_json(_content(folder, MANIFEST))
    except OSError as error:
        raise _unreadable(folder, MANIFEST, error) from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'content'}: {fault['msg']}" for fault in error.errors()
        )
        raise ModelRefused(f"{folder}: {MANIFEST} is wrong: {faults}.") from error


def _digests(manifest: ModelManifest) -> dict[str, str]:
    return {manifest.main_file: manifest.weights_sha256, **manifest.files}


def _hold_to_digest(folder: Path, name: str, expected: str, found: str) -> None:
    if found != expected:
        raise ModelRefused(
            f"{folder}: the digest of {name} is not {expected[:64]}, as {MANIFEST} says.",
            "The file was changed or belongs to another manifest.",
        )


def _unreadable(folder: Path, name: str, error: OSError) -> ModelRefused:
    return ModelRefused(f"{folder}: {name} cannot be read ({error.strerror}).")
