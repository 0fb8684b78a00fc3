"""A training recipe: the TOML files in models/recipes, checked."""

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from soundproof.nets.manifest import PositiveFloat, Space
from soundproof.nets.specs import LogMelSpec
from soundproof.terms import Gain

Sigma = Annotated[FiniteFloat, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Optimizer(_Part):
    """AdamW with cosine decay to zero."""

    epochs: int = Field(ge=1)
    batch: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    gradient_clip: float = Field(gt=0, description="largest l2 norm of a step's gradient")
    autocast: tuple[Literal["cuda", "cpu"], ...] = Field(
        description="device types to train on in bfloat16 mixed precision"
    )


class Augmentation(_Part):
    """What is done to training clips only."""

    noise_sigma: tuple[Sigma, ...] = Field(
        description="standard deviations of Gaussian waveform noise, after the gain: each clip of a batch draws one. "
        "One entry is a fixed sigma, several are a range, none is training without noise"
    )
    time_shift_samples: int = Field(ge=0)
    mel_mask_bands: int = Field(ge=0)
    time_mask_frames: int = Field(ge=0)


class Card(_Part):
    """What the model folder says about itself."""

    recommended_sigma: dict[Space, PositiveFloat]
    licence: str


class Recipe(_Part):
    name: str
    version: str
    dataset: str
    sample_rate_hz: int
    clip_samples: int
    gain: Gain
    front_end: LogMelSpec
    optimizer: Optimizer
    augmentation: Augmentation
    card: Card

    @classmethod
    def read(cls, path: Path) -> Self:
        """ValidationError names the field that is missing, unknown or out of range."""
        return cls.model_validate(tomllib.loads(path.read_text()))

    def with_noise(self, noise_sigma: tuple[float, ...]) -> Self:
        """The same recipe with other training noise."""
        augmentation = Augmentation.model_validate(self.augmentation.model_dump() | {"noise_sigma": noise_sigma})
        return self.model_copy(update={"augmentation": augmentation})

    @property
    def digest(self) -> str:
        """Names a recipe by all that a run depends on, so that a changed one never resumes another's checkpoint."""
        trained = self.model_dump_json(exclude={"card", "version"})
        return hashlib.sha256(trained.encode()).hexdigest()[:8]
