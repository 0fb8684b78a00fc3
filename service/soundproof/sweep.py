"""Several certificates of one clip, and what they claim together. No torch here."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from soundproof.certificate import AbstainedCertificate, Certificate, CertifiedCertificate
from soundproof.stats.rounding import confidence_percent


class Sweep(BaseModel):
    """The answer of POST /certify/sweep. The certificates are valid alone; `alpha_all` is what holds of all at once, by
    Bonferroni's inequality, whatever they have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    confidence: Literal["each", "all"] = Field(
        description="what the request's alpha was asked for: each certificate, or all of them at once"
    )
    alpha_each: float = Field(description="failure probability of each certificate")
    alpha_all: float = Field(description="upper bound of the probability that any of the certificates is false")
    statement: str
    certificates: list[Certificate] = Field(description="in the order of the settings")

    @classmethod
    def of(
        cls,
        certificates: list[CertifiedCertificate | AbstainedCertificate],
        confidence: Literal["each", "all"],
        alpha: float,
    ) -> Self:
        """`alpha`: the request's; where it was asked for all at once, each certificate has its share of it."""
        count = len(certificates)
        each = alpha if confidence == "each" else certificates[0].sampling.alpha
        together = min(1.0, count * alpha) if confidence == "each" else alpha
        return cls(
            confidence=confidence,
            alpha_each=each,
            alpha_all=together,
            statement=f"Each of the {count} certificates holds with confidence {confidence_percent(each)} %, "
            f"all of them at once with confidence {confidence_percent(together)} %.",
            certificates=certificates,
        )
