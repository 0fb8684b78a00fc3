"""What POST /certify/sweep can be asked for beside the clip."""

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema

from soundproof.api.fields import CertifyFields, Fields
from soundproof.errors import InvalidPlan
from soundproof.smoothing.plan import ContractName, TransformName

MOST_SETTINGS = 16
# By the name that stands in a setting: a contract's own, or that of the post-processed one's transform.
CONTRACTS: dict[str, tuple[ContractName, TransformName]] = {
    "waveform": (ContractName.WAVEFORM, TransformName.FIXED),
    "feature": (ContractName.FEATURE, TransformName.FIXED),
} | {transform.value: (ContractName.POST_PROCESSED, transform) for transform in TransformName}

_SIGMA = "[0-9.]+(e-?[0-9]+)?"
_SETTING = rf" *({'|'.join(CONTRACTS)})(:{_SIGMA})? *"
_PATTERN = f"^{_SETTING}(,{_SETTING}){{0,{MOST_SETTINGS - 1}}}$"
EXAMPLE = "waveform:0.0025,waveform:0.02,feature,clip:0.0025"


def _listed(text: object) -> object:
    """ "a:1, b" -> ("a:1", "b"). ValueError names what is wrong."""
    if not isinstance(text, str):
        return text
    settings = tuple(part.strip() for part in text.split(","))
    if not 1 <= len(settings) <= MOST_SETTINGS:
        raise ValueError(f"must be 1 to {MOST_SETTINGS} settings")
    for setting in settings:
        name, _, sigma = setting.partition(":")
        if name not in CONTRACTS:
            raise ValueError(
                f"must be NAME or NAME:SIGMA, separated by commas, each name one of {', '.join(CONTRACTS)}"
            )
        if setting != name and not re.fullmatch(_SIGMA, sigma):
            raise ValueError(f"must be NAME or NAME:SIGMA, separated by commas, for example {EXAMPLE}")
    if len(set(settings)) < len(settings):
        raise ValueError("must not repeat a setting")
    return settings


class SweepFields(Fields):
    """POST /certify/sweep: several contracts or sigmas for one clip; all else is the same for all of them."""

    settings: Annotated[
        tuple[str, ...], BeforeValidator(_listed), WithJsonSchema({"type": "string", "pattern": _PATTERN})
    ] = Field(
        description=f"1 to {MOST_SETTINGS}, separated by commas: a contract ({', '.join(CONTRACTS)}; the last five are "
        "post_processed with that transform), then a colon and sigma, or neither for the model's recommended value",
        examples=[EXAMPLE],
    )
    confidence: Literal["each", "all"] = Field(
        "each",
        description="what alpha is meant for: each certificate, or all of them at once (each then has its share of it)",
    )

    def each(self) -> list[CertifyFields]:
        """The same questions one by one. InvalidPlan for a sigma or a share of alpha that is out of range."""
        common = self.model_dump(exclude={"settings", "confidence"})
        if self.confidence == "all":
            common["alpha"] = self.alpha / len(self.settings)
        found = []
        for setting in self.settings:
            name, _, sigma = setting.partition(":")
            contract, transform = CONTRACTS[name]
            try:
                found.append(CertifyFields(**common, contract=contract, transform=transform, sigma=sigma or None))
            except ValidationError as error:
                [fault, *_] = error.errors()
                raise InvalidPlan(f"In setting {setting!r}, {fault['loc'][0]}: {fault['msg']}.") from error
        return found
