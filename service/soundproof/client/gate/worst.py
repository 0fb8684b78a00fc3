"""The clips that a person should listen to first."""

from collections.abc import Sequence

from soundproof.client.gate.question import Question
from soundproof.client.gate.result import Result, Standing

# Worst first: a wrong answer that is proven robust, then what speaks against a clip most.
_ORDER = (
    Standing.WRONG,
    Standing.REFUTED,
    Standing.SHORT,
    Standing.ABSTAINED,
    Standing.UNDECIDED,
    Standing.REFUSED,
    Standing.HELD,
)


def worst(results: Sequence[Result], question: Question, most: int) -> list[Result]:
    """Up to `most` clips: those that do not hold, worst first, then the weakest of those that do. Ties: by name."""

    def rank(result: Result) -> tuple[int, float, float, str]:
        share = result.error_share
        certificate = result.certificate or {}
        reach = -(certificate.get("radius") or 0.0)
        if question.at_radius is None and certificate.get("snr_cert_db") is not None:
            reach = -certificate["snr_cert_db"]  # a high SNR is a weak certificate
            return _ORDER.index(result.standing(question)), -(share or 0.0), reach, result.clip
        return _ORDER.index(result.standing(question)), -(share or 0.0), -reach, result.clip

    return sorted(results, key=rank)[: max(0, most)]
