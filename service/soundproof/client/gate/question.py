"""What a gate asks of every clip, the same for all of them, and when an answer reaches it."""

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from soundproof.client.gate.suite import Clip

FEATURE = "feature"


class Question(BaseModel):
    """The first line of a run's JSONL: a later run is the same run only if this is the same.

    Either `at_snr_db`, asked as a sequential gate, or with `curve` as the largest radius of each clip; or `at_radius`,
    in the certified space, always asked as the largest radius. What is None is left to the service and the model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model: str
    model_version: str | None
    model_digest: str
    contract: str
    alpha: float = Field(description="failure probability of each certificate")
    at_snr_db: float | None = None
    at_radius: float | None = None
    curve: bool = False
    transform: str | None = None
    sigma: float | None = None
    n0: int | None = None
    n: int | None = None
    bound: str | None = None
    noise: str | None = None
    precision: str | None = None
    seed: int | None = None

    @property
    def sequential(self) -> bool:
        """Whether each clip is asked only if it holds at the target, with as few votes as that takes."""
        return self.at_snr_db is not None and not self.curve

    @property
    def target(self) -> str:
        """In words and with its unit: 60 dB, or radius 0.5."""
        return f"{self.at_snr_db:.12g} dB" if self.at_snr_db is not None else f"radius {self.at_radius:.12g}"

    def form(self, clip: Clip) -> dict[str, Any]:
        """The fields of POST /certify for a clip, its own in place of the suite's."""
        common = self.model_dump(include={"model", "contract", "transform", "sigma", "n0", "n", "alpha"})
        common |= self.model_dump(include={"bound", "noise", "precision", "seed"})
        target = {"target_snr_db": self.at_snr_db} if self.sequential else {}
        fields = common | target | dict(clip.fields) | {"label": clip.label}
        return {name: value for name, value in fields.items() if value is not None}

    def reached(self, certificate: Mapping[str, Any]) -> bool:
        """Whether a certificate, right or wrong, holds at the target."""
        if certificate["outcome"] != "certified":
            return False
        if self.at_snr_db is not None:
            return certificate["snr_cert_db"] is not None and bool(certificate["snr_cert_db"] <= self.at_snr_db)
        return bool(certificate["radius"] >= (self.at_radius or 0.0))

    def out_of_reach(self, certificate: Mapping[str, Any]) -> bool:
        """Whether not even unanimous votes of this number could have reached the target: more of them might."""
        if self.at_snr_db is not None:
            return certificate["snr_floor_db"] is not None and bool(certificate["snr_floor_db"] > self.at_snr_db)
        return bool(certificate["radius_ceiling"] < (self.at_radius or 0.0))

    def votes_needed(self, certificate: Mapping[str, Any]) -> int | None:
        """About how many unanimous votes reach the target, for a clip like this one; None where no number will do.

        q0 = Phi(-r) with r the target in sigmas, and (1 - q0)^n <= alpha.
        """
        ceiling, floor = certificate["radius_ceiling"], certificate["snr_floor_db"]
        if self.at_snr_db is not None:
            if floor is None:
                return None
            target = ceiling * 10 ** ((floor - self.at_snr_db) / 20)
        else:
            target = self.at_radius or 0.0
        q0 = NormalDist().cdf(-target / certificate["contract"]["perturbation"]["sigma"])
        return math.ceil(math.log(self.alpha) / math.log1p(-q0)) + 1 if q0 > 1e-12 else None
