"""What became of one clip: a certificate or a problem, and where that leaves it at the gate."""

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from soundproof.client.gate.question import Question


class Standing(StrEnum):
    """Where a clip stands; only HELD counts as certified. In the order of a report."""

    HELD = "certified"  # at the target, and right
    UNDECIDED = "undecided"  # more votes may tell
    ABSTAINED = "abstained"  # no answer to certify
    SHORT = "not far enough"  # certified and right, but not as far as the target
    REFUTED = "refuted"  # too many errors for the sequential gate
    WRONG = "wrong"  # certified with a wrong answer
    REFUSED = "refused"  # the service does not take the clip, or it cannot be read


# With these the verdict could still go either way: nothing speaks against the clip.
OPEN = frozenset({Standing.UNDECIDED, Standing.ABSTAINED})


class Trouble(BaseModel):
    """Why a clip has no certificate: the service's stable code, and its detail and hint in one."""

    model_config = ConfigDict(frozen=True)

    code: str
    detail: str


class Result(BaseModel):
    """One line of a run's JSONL, after the first.

    The certificate is kept as it was received and never checked against today's schema: a baseline may come from
    another version of the service.
    """

    model_config = ConfigDict(frozen=True)

    clip: str
    label: str
    audio_sha256: str = Field(description="of the bytes that were sent; empty for a file that could not be read")
    fields: dict[str, Any] = Field({}, description="what was asked of this clip otherwise than of the suite")
    certificate: dict[str, Any] | None = None
    problem: Trouble | None = None

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.certificate is None) == (self.problem is None):
            raise ValueError("a result is a certificate or a problem")
        return self

    @property
    def key(self) -> str:
        return key_of(self.audio_sha256, self.label, self.fields)

    def standing(self, question: Question) -> Standing:
        certificate = self.certificate
        if certificate is None:
            return Standing.REFUSED
        if certificate["outcome"] == "certified":
            if not certificate["correct"]:
                return Standing.WRONG
            if question.reached(certificate):
                return Standing.HELD
            return Standing.UNDECIDED if question.out_of_reach(certificate) else Standing.SHORT
        if certificate["verdict"] in (Standing.REFUTED, Standing.UNDECIDED):
            return Standing(certificate["verdict"])
        return Standing.ABSTAINED

    @property
    def answer(self) -> str | None:
        """The certified class; None without a certificate."""
        prediction = (self.certificate or {}).get("prediction")
        return prediction["label"] if prediction else None

    @property
    def statement(self) -> str:
        if self.certificate is not None:
            return str(self.certificate["statement"])
        return f"{self.problem.code}: {self.problem.detail}" if self.problem else ""

    @property
    def votes(self) -> int:
        """Estimation votes drawn."""
        return int(self.certificate["sampling"]["samples_used"]) if self.certificate else 0

    @property
    def error_share(self) -> float | None:
        """Share of votes that were not for the selected class; of the selection votes where it selected none; None
        where no vote was drawn."""
        if self.certificate is None:
            return None
        looks = (self.certificate.get("gate") or {}).get("looks")
        if looks:
            return float(looks[-1]["errors"] / looks[-1]["votes"])
        sampling = self.certificate["sampling"]
        for counts, total in (
            (sampling["counts"], sampling["samples_used"]),
            (sampling["selection_counts"], sampling["n0"]),
        ):
            if total:
                return float(1 - max(counts) / total)
        return None

    @property
    def run_s(self) -> float:
        return float(self.certificate["compute"]["run_s"]) if self.certificate else 0.0

    @property
    def sound(self) -> str:
        """What names the noise of the clip: clips of one sound share it."""
        return str(self.certificate["audio"]["samples_sha256"]) if self.certificate else self.audio_sha256


def key_of(audio_sha256: str, label: str, fields: Mapping[str, Any]) -> str:
    """One question about one clip, within one run."""
    return json.dumps([audio_sha256, label, dict(fields)], sort_keys=True)


def digest_of(audio: bytes) -> str:
    return hashlib.sha256(audio).hexdigest()
