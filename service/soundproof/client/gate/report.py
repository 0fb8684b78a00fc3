"""Everything that a gate found, in the words and numbers that its reports share."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from soundproof.client.gate.comparison import SIGNIFICANCE, Comparison
from soundproof.client.gate.decision import Decision, Outcome
from soundproof.client.gate.question import FEATURE, Question
from soundproof.client.gate.result import Result
from soundproof.client.gate.suite import Suite
from soundproof.client.gate.tally import percent
from soundproof.stats.rounding import confidence_percent

VERDICTS = {Outcome.PASS: "PASS", Outcome.FAIL: "FAIL", Outcome.UNDECIDED: "UNDECIDED"}


@dataclass(frozen=True)
class Report:
    """`results`: of every clip of the suite, in its order."""

    title: str
    suite: Suite
    question: Question
    results: Sequence[Result]
    decision: Decision
    comparison: Comparison | None = None

    @property
    def outcome(self) -> Outcome:
        """A regression fails whatever the share is."""
        return Outcome.FAIL if self.comparison and self.comparison.failed else self.decision.outcome

    @property
    def measure(self) -> str:
        """What is counted: certified accuracy at 60 dB."""
        return f"certified accuracy at {self.question.target}"

    @property
    def headline(self) -> str:
        tally, bar = self.decision.tally, self.decision.bar
        asked = percent(Fraction(repr(bar.least)))
        found = f"{tally.held:,} of {tally.clips:,} clips ({percent(tally.share)}) are certified and right at "
        found += f"{self.question.target}"
        if self.decision.allowance:
            found += f", {self.decision.sure:,} ({percent(self.decision.lower)}) with false ones allowed for"
        return f"{found}; asked for are {self.decision.needed:,} ({asked})."

    @property
    def reasons(self) -> list[str]:
        """Why the verdict is what it is, where that is not plain from the headline."""
        found = []
        tally = self.decision.tally
        if self.decision.outcome is Outcome.UNDECIDED:
            found.append(
                f"{tally.open:,} clips are undecided or abstained: with all of them certified the gate would pass, "
                "without it does not. A larger --n may tell."
            )
        if self.comparison and self.comparison.failed:
            found.append(f"It got worse than the baseline: {self.regression}")
        return found

    @property
    def claims(self) -> list[str]:
        """What the certificates say together, each a sentence that stands alone."""
        decision, tally = self.decision, self.decision.tally
        alpha = f"alpha {decision.alpha:.12g}"
        each = f"Each certificate holds with confidence {confidence_percent(decision.alpha)} % ({alpha} per clip)."
        most = f"{decision.alpha * tally.clips:.3g}"
        expected = f"Of {tally.clips:,} clips asked, at most {most} false certificates are expected."
        together = (
            f"All certificates hold at once with confidence {confidence_percent(decision.all_at_once)} % or more "
            "(Bonferroni)."
            if decision.all_at_once < 1
            else "Nothing is claimed of all certificates at once: there are too many for this alpha; --alpha-for all "
            "asks for it."
        )
        return [each, self.accuracy_claim, expected, together]

    @property
    def accuracy_claim(self) -> str:
        """The claim that the verdict rests on."""
        decision = self.decision
        if decision.bar.confidence == 0:
            return (
                f"Compared was the plain share, {percent(decision.tally.share)}, with confidence 0: false certificates "
                "are counted as if they were true."
            )
        classifier = {FEATURE: "the smoothed classifier head"}.get(self.question.contract, "the smoothed classifier")
        if self.question.transform not in (None, "fixed"):
            classifier += f" behind the transform {self.question.transform!r}"
        what = "features" if self.question.contract == FEATURE else "waveform"
        reach = f"at an SNR of {self.question.target} or more"
        if self.question.at_snr_db is None:
            reach = f"within l2 {self.question.target}"
        return (
            f"With confidence {decision.bar.confidence * 100:.12g} %, {classifier} gives at least {decision.sure:,} of "
            f"these {decision.tally.clips:,} clips ({percent(decision.lower)}) their right answer, whatever is added "
            f"to the {what} {reach}; false certificates allowed for: {decision.allowance:,}, among "
            f"{decision.sounds:,} different sounds."
        )

    @property
    def regression(self) -> str:
        """The comparison in a sentence; empty without a baseline."""
        comparison = self.comparison
        if comparison is None:
            return ""
        moved = "unchanged"
        if comparison.drop:
            moved = f"{'down' if comparison.drop > 0 else 'up'} {100 * abs(float(comparison.drop)):.1f} points"
        judged = f"exact McNemar p = {comparison.p:.3g}, one-sided"
        if comparison.allowed is not None:
            judged += f"; a drop of {100 * comparison.allowed:.12g} points is allowed"
        elif comparison.drop > 0:
            judged += f"; {'significant' if comparison.failed else 'not significant'} at {SIGNIFICANCE:g}"
        return (
            f"{len(comparison.lost):,} clips lost and {len(comparison.won):,} won of {comparison.pairs:,} in both "
            f"runs; certified accuracy over them {moved}, {comparison.held_before:,} before and "
            f"{comparison.held_now:,} now ({judged})."
        )

    @property
    def votes(self) -> int:
        """Estimation votes drawn for the whole suite."""
        return sum({result.key: result.votes for result in self.results}.values())
