"""The parts of the page that are counts: a gauge, tables, the baseline."""

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction

from soundproof.client.gate.comparison import Change, Comparison
from soundproof.client.gate.markup import cell, number, paragraph, row_head, table, text
from soundproof.client.gate.report import Report
from soundproof.client.gate.result import OPEN, Result, Standing
from soundproof.client.gate.tally import NO_ANSWER, NO_CLIP, Tally, by_class, confusion, percent
from soundproof.stats.rounding import format_down, format_up

# Beyond so many columns a confusion is a list of its largest cells.
_SQUARE = 24
_LISTED = 40


def gauge(report: Report) -> str:
    """All clips as one bar by where they stand, and the share asked for as a mark on it."""
    tally = report.decision.tally
    parts = "".join(
        f'<span class="{_kind(standing)}" style="flex-grow:{tally.counts[standing]}" '
        f'title="{tally.counts[standing]} {standing.value}"></span>'
        for standing in Standing
        if tally.counts[standing]
    )
    legend = "".join(
        f'<li><span class="swatch {_kind(standing)}"></span>{tally.counts[standing]:,} {text(standing.value)}</li>'
        for standing in Standing
        if tally.counts[standing]
    )
    least = f"{100 * report.decision.bar.least:.6g}"
    side = "left" if report.decision.bar.least < 0.5 else "right"
    mark = f'<span class="mark {side}" style="left:{least}%"><b>{text(asked(report))}</b></span>'
    return f"<div class=gauge aria-hidden=true><div class=bar>{parts}</div>{mark}</div><ul class=legend>{legend}</ul>"


def asked(report: Report) -> str:
    return f"{percent(Fraction(repr(report.decision.bar.least)))} asked"


def classes(report: Report) -> str:
    rows = [_class_row(label, tally) for label, tally in by_class(report.results, report.question).items()]
    return table(
        ("class", "clips", "certified", "share", "", "wrong", "not certified", "undecided, abstained"),
        rows,
        "classes",
        right_from=1,
    )


def _class_row(label: str, tally: Tally) -> list[str]:
    wrong = tally.counts[Standing.WRONG]
    against = tally.clips - tally.held - tally.open - wrong
    width = f"{100 * float(tally.share):.1f}%"
    bar = f'<td class=meter><span style="width:{width}"></span></td>'
    counts = [number(count) if count else number("") for count in (wrong, against, tally.open)]
    return [row_head(label), number(tally.clips), number(tally.held), number(percent(tally.share)), bar, *counts]


def confusion_table(report: Report) -> str:
    """By true class, what was certified, at whatever radius."""
    columns, counts = confusion(report.results)
    if len(columns) > _SQUARE:
        return _largest_errors(counts)
    rows = []
    for label, row in counts.items():
        total = row.total()
        cells = []
        for answer in columns:
            kind = "good" if answer == label else "none" if answer in (NO_ANSWER, NO_CLIP) else "bad"
            weight = f"{row[answer] / total:.3f}"
            cells.append(f'<td class="heat {kind}" style="--w:{weight}">{row[answer] or ""}</td>')
        rows.append([row_head(label), *cells])
    return table(("true class ↓ certified as →", *columns), rows, "confusion")


def _largest_errors(counts: dict[str, Counter[str]]) -> str:
    errors = sorted(
        ((label, answer, count) for label, row in counts.items() for answer, count in row.items() if answer != label),
        key=lambda error: (-error[2], error[:2]),
    )
    rows = [[row_head(label), cell(answer), number(count)] for label, answer, count in errors[:_LISTED]]
    return table(("true class", "certified as", "clips"), rows, right_from=2)


def baseline(comparison: Comparison, sentence: str) -> Iterator[str]:
    yield paragraph(sentence)
    yield paragraph(
        f"The baseline is of model {comparison.model_before}. Clips are paired by their audio; "
        f"{len(comparison.only_now):,} are only in this run and {len(comparison.only_before):,} only in the baseline.",
        "note",
    )
    if comparison.different:
        yield paragraph(f"Asked otherwise than now: {'; '.join(comparison.different)}.", "reason")
    changed = [change for change in comparison.by_class if change.lost or change.won]
    if changed:
        rows = [
            [row_head(c.label), number(c.pairs), number(c.lost or ""), number(c.won or ""), number(f"{c.p:.3g}")]
            for c in changed
        ]
        yield table(("class", "in both", "lost", "won", "p (McNemar, Holm)"), rows, right_from=1)
    for title, changes in (("Newly lost", comparison.lost), ("Newly won", comparison.won)):
        if changes:
            yield f"<details{' open' if title == 'Newly lost' else ''}><summary>{title}: {len(changes):,}</summary>"
            yield table(("clip", "class", "before", "now"), map(_changed, changes)) + "</details>"


def _changed(change: Change) -> list[str]:
    return [
        row_head(change.result.clip),
        cell(change.result.label),
        cell(change.before.value),
        cell(change.now.value),
    ]


def every_clip(report: Report) -> str:
    rows = [_clip_row(result, report) for result in report.results]
    head = ("clip", "class", "", "answer", "SNR dB" if report.question.at_snr_db is not None else "radius", "votes")
    return f"<details><summary>{len(rows):,} clips</summary>{table(head, rows, 'every', right_from=4)}</details>"


def _clip_row(result: Result, report: Report) -> list[str]:
    standing = result.standing(report.question)
    return [
        row_head(result.clip),
        cell(result.label),
        f'<td><span class="chip {_kind(standing)}">{text(standing.value)}</span></td>',
        cell(result.answer or ""),
        number(reach(result, report)),
        number(f"{result.votes:,}" if result.votes else ""),
    ]


def reach(result: Result, report: Report) -> str:
    """How far a certificate reaches, rounded to the safe side; empty without one."""
    certificate = result.certificate or {}
    if report.question.at_snr_db is not None:
        snr = certificate.get("snr_cert_db")
        return "" if snr is None else format_up(snr, 4)
    radius = certificate.get("radius")
    return "" if radius is None else format_down(radius, 5)


def _kind(standing: Standing) -> str:
    """The class that colours it."""
    if standing is Standing.HELD:
        return "held"
    return "open" if standing in OPEN else "wrong" if standing is Standing.WRONG else "against"


def kinds(results: Sequence[Result], report: Report) -> list[str]:
    return [_kind(result.standing(report.question)) for result in results]
