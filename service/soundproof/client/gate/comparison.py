"""A run beside an earlier one: the same clips, then and now.

Clips are paired by the bytes of their audio and their label, so that a renamed clip is the same clip and an edited one
is not. What changed is put to the exact McNemar test: had neither run been likelier to hold a clip, and the clips been
drawn independently, so many more losses than wins would have probability p at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from soundproof.client.gate.faults import SuiteFault
from soundproof.client.gate.journal import PastRun
from soundproof.client.gate.question import Question
from soundproof.client.gate.result import Result, Standing
from soundproof.stats.suite import holm, mcnemar

SIGNIFICANCE = 0.05
# What two runs must have been asked alike for their answers to be comparable.
_ALIKE = ("contract", "transform", "at_radius")


@dataclass(frozen=True)
class Change:
    """A clip that stands elsewhere than it did."""

    result: Result
    before: Standing
    now: Standing


@dataclass(frozen=True)
class ClassChange:
    """`p`: McNemar's for this class, adjusted for the number of classes (Holm)."""

    label: str
    pairs: int
    lost: int
    won: int
    p: float


@dataclass(frozen=True)
class Comparison:
    """`pairs`: clips that both runs have; `only_now`, `only_before`: clips of one of them, compared with nothing.
    `different`: how the questions differ, in words. `allowed`: the drop in certified accuracy that is put up with;
    None: any that is not significant."""

    model_before: str
    pairs: int
    held_before: int
    held_now: int
    lost: tuple[Change, ...]
    won: tuple[Change, ...]
    by_class: tuple[ClassChange, ...]
    only_now: tuple[str, ...]
    only_before: tuple[str, ...]
    different: tuple[str, ...]
    allowed: float | None = None

    @classmethod
    def of(
        cls, past: PastRun, results: Sequence[Result], question: Question, allowed: float | None = None
    ) -> "Comparison":
        """Raises SuiteFault where the runs have no clip in common."""
        before = {_identity(result): result for result in past.results}
        now = {_identity(result): result for result in results}
        both = [identity for identity in now if identity in before]
        if not both:
            raise SuiteFault("The baseline has no clip of this suite: clips are paired by their audio and label.")
        changes = [
            Change(now[i], before[i].standing(question), now[i].standing(question))  # both by today's target
            for i in both
        ]
        lost = tuple(c for c in changes if c.before is Standing.HELD and c.now is not Standing.HELD)
        won = tuple(c for c in changes if c.now is Standing.HELD and c.before is not Standing.HELD)
        return cls(
            model_before=f"{past.question.model} {past.question.model_version or ''} "
            f"({past.question.model_digest[:12]})".replace("  ", " "),
            pairs=len(both),
            held_before=sum(change.before is Standing.HELD for change in changes),
            held_now=sum(change.now is Standing.HELD for change in changes),
            lost=lost,
            won=won,
            by_class=_by_class(changes, lost, won),
            only_now=tuple(now[i].clip for i in now if i not in before),
            only_before=tuple(before[i].clip for i in before if i not in now),
            different=_different(past.question, question),
            allowed=allowed,
        )

    @property
    def p(self) -> float:
        """The one-sided p-value that the change for the worse is chance."""
        return mcnemar(len(self.lost), len(self.won))

    @property
    def drop(self) -> Fraction:
        """Of certified accuracy over the pairs; below 0 where it rose."""
        return Fraction(len(self.lost) - len(self.won), self.pairs)

    @property
    def failed(self) -> bool:
        """A drop beyond what is allowed; with nothing said about that, a significant one."""
        if self.allowed is not None:
            return self.drop > Fraction(repr(self.allowed))
        return self.drop > 0 and self.p <= SIGNIFICANCE


def check_comparable(past: PastRun, question: Question) -> None:
    """Raises SuiteFault, before anything is asked, where the baseline's answers say nothing about this question."""
    before = past.question
    unlike = [
        f"{name} {getattr(before, name) or 'none'}, now {getattr(question, name) or 'none'}"
        for name in _ALIKE
        if (getattr(before, name) or "fixed") != (getattr(question, name) or "fixed")
    ]
    # The largest radius of each clip answers for every SNR, a gate only for its own.
    if before.at_snr_db != question.at_snr_db and not before.curve:
        unlike.append(f"at_snr_db {before.at_snr_db}, now {question.at_snr_db}")
    if unlike:
        raise SuiteFault(f"The baseline asked something else, so nothing can be compared: {'; '.join(unlike)}.")


def _identity(result: Result) -> tuple[str, str]:
    """A file that could not be read has no bytes to be known by, only its name."""
    return result.audio_sha256 or result.clip, result.label


def _by_class(changes: list[Change], lost: tuple[Change, ...], won: tuple[Change, ...]) -> tuple[ClassChange, ...]:
    labels = sorted({change.result.label for change in changes})
    pairs, losses, wins = (
        [sum(change.result.label == label for change in of) for label in labels] for of in (changes, lost, won)
    )
    adjusted = holm([mcnemar(down, up) for down, up in zip(losses, wins, strict=True)])
    return tuple(map(ClassChange, labels, pairs, losses, wins, adjusted))


def _different(before: Question, now: Question) -> tuple[str, ...]:
    """What was asked otherwise and bears on how many clips hold; that the model differs is the point."""
    names = ("curve", "alpha", "sigma", "n0", "n", "bound", "noise", "precision")
    return tuple(
        f"{name} {_shown(getattr(before, name))}, now {_shown(getattr(now, name))}"
        for name in names
        if getattr(before, name) != getattr(now, name)
    )


def _shown(value: object) -> str:
    return "by default" if value is None else f"{value:.12g}" if isinstance(value, float) else str(value)
