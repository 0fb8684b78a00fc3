"""Counting where clips stand."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from soundproof.client.gate.question import Question
from soundproof.client.gate.result import OPEN, Result, Standing

NO_ANSWER, NO_CLIP = "no certificate", "refused"


@dataclass(frozen=True)
class Tally:
    """How many clips stand where."""

    counts: Counter[Standing]

    @classmethod
    def of(cls, results: Iterable[Result], question: Question) -> "Tally":
        return cls(Counter(result.standing(question) for result in results))

    @property
    def clips(self) -> int:
        return self.counts.total()

    @property
    def held(self) -> int:
        return self.counts[Standing.HELD]

    @property
    def open(self) -> int:
        """Clips that could still turn out to hold."""
        return sum(self.counts[standing] for standing in OPEN)

    @property
    def share(self) -> Fraction:
        """Certified accuracy: the share of clips certified and right at the target, of all clips."""
        return Fraction(self.held, self.clips)

    def said(self) -> str:
        """Every standing that occurs, in words, the certified first."""
        return ", ".join(f"{self.counts[standing]} {standing.value}" for standing in Standing if self.counts[standing])


def by_class(results: Sequence[Result], question: Question) -> dict[str, Tally]:
    """By true class, in alphabetical order."""
    labels = sorted({result.label for result in results})
    return {label: Tally.of((r for r in results if r.label == label), question) for label in labels}


def confusion(results: Sequence[Result]) -> tuple[list[str], dict[str, Counter[str]]]:
    """What was certified (at whatever radius), by true class: the columns in order, and the counts of each row."""
    rows: dict[str, Counter[str]] = {label: Counter() for label in sorted({result.label for result in results})}
    for result in results:
        rows[result.label][result.answer or (NO_CLIP if result.certificate is None else NO_ANSWER)] += 1
    answers = {answer for row in rows.values() for answer in row} - {NO_ANSWER, NO_CLIP}
    last = [name for name in (NO_ANSWER, NO_CLIP) if any(row[name] for row in rows.values())]
    return sorted(set(rows) | answers) + last, rows


def percent(share: Fraction) -> str:
    """A share in per cent with one decimal, rounded down: 0.9996 is 99.9 %.

    >>> percent(Fraction(9996, 10000))
    '99.9 %'
    """
    tenths = share * 1000
    whole = tenths.numerator // tenths.denominator
    return f"{whole // 10}.{whole % 10} %"
