"""A gate as Markdown: a summary for the page of a CI job or the comment on a merge request."""

import re
from collections.abc import Iterable, Iterator, Sequence

from soundproof.client.gate.comparison import Change, Comparison
from soundproof.client.gate.decision import Outcome
from soundproof.client.gate.report import VERDICTS, Report
from soundproof.client.gate.result import OPEN, Result, Standing
from soundproof.client.gate.tally import by_class, percent
from soundproof.client.gate.worst import worst
from soundproof.printable import printable

_SIGNS = {Outcome.PASS: "✅", Outcome.FAIL: "❌", Outcome.UNDECIDED: "❓"}
# So many clips of a kind are listed: CI pages have limits, and so have readers.
_LISTED = 20
_STATEMENT_LENGTH = 160


def markdown(report: Report, most_clips: int = _LISTED) -> str:
    return "\n\n".join(_parts(report, most_clips)) + "\n"


def _parts(report: Report, most_clips: int) -> Iterator[str]:
    yield f"## {_SIGNS[report.outcome]} {VERDICTS[report.outcome]}: {escaped(report.title)}"
    yield f"**{escaped(report.headline)}**"
    yield from map(escaped, report.reasons)
    yield escaped(f"Model {report.question.model} {report.question.model_version or ''}, digest ") + (
        f"`{report.question.model_digest[:16]}`; contract {escaped(report.question.contract)}; {report.votes:,} votes."
    )
    if report.suite.chosen:
        yield escaped(f"Asked were {report.suite.chosen}.")
    yield "### What this claims"
    yield "\n".join(f"* {escaped(claim)}" for claim in report.claims)
    yield "### By class"
    yield _classes(report)
    if report.comparison is not None:
        yield "### Beside the baseline"
        yield from _baseline(report.comparison, report.regression)
    faults = [
        result
        for result in worst(report.results, report.question, most_clips)
        if result.standing(report.question) is not Standing.HELD
    ]
    if faults:
        yield "### The worst clips"
        yield table(
            ("clip", "class", "", "why"),
            ((r.clip, r.label, r.standing(report.question).value, _why(r)) for r in faults),
        )
        more = report.decision.tally.clips - report.decision.tally.held - len(faults)
        if more:
            yield f"And {more:,} more that do not hold; the JSONL and JUnit files have all of them."


def _classes(report: Report) -> str:
    rows = []
    for label, tally in by_class(report.results, report.question).items():
        open_ = sum(tally.counts[standing] for standing in OPEN)
        against = tally.clips - tally.held - open_ - tally.counts[Standing.WRONG]
        rows.append(
            (
                label,
                str(tally.clips),
                str(tally.held),
                percent(tally.share),
                str(tally.counts[Standing.WRONG]),
                str(against),
                str(open_),
            )
        )
    return table(("class", "clips", "certified", "share", "wrong", "not certified", "undecided"), rows, right_from=1)


def _baseline(comparison: Comparison, sentence: str) -> Iterator[str]:
    yield escaped(f"Before: {comparison.model_before}. {sentence}")
    if comparison.different:
        yield escaped(f"Asked otherwise: {'; '.join(comparison.different)}.")
    if comparison.only_now or comparison.only_before:
        yield (
            f"Compared with nothing: {len(comparison.only_now):,} clips that only this run has, "
            f"{len(comparison.only_before):,} that only the baseline has."
        )
    changed = [change for change in comparison.by_class if change.lost or change.won]
    if changed:
        yield table(
            ("class", "in both", "lost", "won", "p (Holm)"),
            ((c.label, str(c.pairs), str(c.lost), str(c.won), f"{c.p:.3g}") for c in changed),
            right_from=1,
        )
    for title, changes in (("Lost", comparison.lost), ("Won", comparison.won)):
        if changes:
            yield f"{title}: {_named(changes)}"


def _named(changes: Sequence[Change]) -> str:
    shown = ", ".join(f"{escaped(c.result.clip)} ({c.before.value} → {c.now.value})" for c in changes[:_LISTED])
    return shown + (f" and {len(changes) - _LISTED:,} more" if len(changes) > _LISTED else "")


def _why(result: Result) -> str:
    answered = f"answered {result.answer!r}: " if result.answer not in (None, result.label) else ""
    text = answered + result.statement
    return text if len(text) <= _STATEMENT_LENGTH else text[: _STATEMENT_LENGTH - 1].rstrip() + "…"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right_from: int | None = None) -> str:
    """Columns from `right_from` on are numbers."""
    rule = ["---" if right_from is None or i < right_from else "---:" for i in range(len(head))]
    lines = [list(head), rule, *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(text: str) -> str:
    """Text that stands for itself: no markup, no HTML, no cell's end, no link, no mention or issue of the forge's own.

    >>> escaped("_silence_ <b>")
    '&#95;silence&#95; &#60;b&#62;'
    """
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", printable(text))


# A slash or a dot only where they would make a link of an address.
_MARKUP = re.compile(r"[\\`*_\[\]<>#|~$@&^]|(?<=:)/(?=/)|(?<=www)\.")
