"""The verdict of a gate, and the claims that its certificates support together.

Certified accuracy is the share of *all* clips asked that are certified and right at the target. What is compared with
the share asked for is a lower confidence bound of it: less the number of false certificates that is exceeded with
probability 1 - confidence at most. Confidence 0 subtracts nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from soundproof.client.gate.faults import SuiteFault
from soundproof.client.gate.question import Question
from soundproof.client.gate.result import Result
from soundproof.client.gate.tally import Tally
from soundproof.stats.suite import all_at_once, allowance, largest_alpha, most_false


class Outcome(StrEnum):
    """`undecided`: it would pass if every undecided and abstained clip were certified, and does not without."""

    PASS = "pass"  # noqa: S105  (a verdict)
    FAIL = "fail"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Bar:
    """What a suite must reach: a certified accuracy of `least`, in [0, 1], at a confidence in [0, 1)."""

    least: float
    confidence: float = 0.95

    @property
    def rho(self) -> float:
        """The probability left for more false certificates than are allowed for."""
        return float(1 - Fraction(repr(self.confidence)))

    def needed(self, clips: int) -> int:
        """So many of `clips` must be left after the allowance; exact, 0.9 of 10 clips being 9."""
        exact = Fraction(repr(self.least)) * clips
        return -(-exact.numerator // exact.denominator)

    def check(self, clips: int, alpha: float) -> None:
        """Raises SuiteFault, naming what would do, where not even a suite certified throughout could pass."""
        spare, allowed = clips - self.needed(clips), most_false(clips, alpha, self.rho)
        if allowed <= spare:
            return
        raise SuiteFault(
            f"This gate cannot be passed: of {clips:,} certificates at alpha {alpha:.12g}, {allowed} may be false at "
            f"confidence {self.confidence:.12g}, which leaves {clips - allowed:,} of the {self.needed(clips):,} asked "
            f"for. Ask for --alpha {largest_alpha(clips, spare, self.rho):.12g} or less, a --min-certified-accuracy of "
            f"at most {(clips - allowed) * 10_000 // clips / 10_000:.12g}, or --confidence 0."
        )


@dataclass(frozen=True)
class Decision:
    """`allowance`: clips whose certificates may be false at the bar's confidence. `sounds`: how many different sounds
    were certified or tried. `alpha`: of each certificate."""

    bar: Bar
    tally: Tally
    allowance: int
    sounds: int
    alpha: float

    @classmethod
    def of(cls, bar: Bar, results: Sequence[Result], question: Question) -> "Decision":
        """The claim needs independent certificates: clips of one sound count as one, asked as often as it was asked
        something different, since its noise may be the same."""
        copies, questions = Counter[str](), dict[str, set[str]]()
        for result in results:
            if result.certificate is not None:
                copies[result.sound] += 1
                questions.setdefault(result.sound, set()).add(str(sorted(result.fields.items())))
        alpha = question.alpha * max(map(len, questions.values()), default=1)
        return cls(
            bar,
            Tally.of(results, question),
            allowance(list(copies.values()), min(1.0, alpha), bar.rho),
            len(copies),
            question.alpha,
        )

    @property
    def needed(self) -> int:
        return self.bar.needed(self.tally.clips)

    @property
    def sure(self) -> int:
        """Clips that truly hold, at the bar's confidence: at least so many."""
        return max(0, self.tally.held - self.allowance)

    @property
    def lower(self) -> Fraction:
        """Certified accuracy is at least this, at the bar's confidence."""
        return Fraction(self.sure, self.tally.clips)

    @property
    def outcome(self) -> Outcome:
        if self.sure >= self.needed:
            return Outcome.PASS
        if self.tally.held + self.tally.open - self.allowance >= self.needed:
            return Outcome.UNDECIDED
        return Outcome.FAIL

    @property
    def all_at_once(self) -> float:
        """The probability that any of the certificates is false: at most this."""
        return all_at_once(self.tally.clips, self.alpha)
