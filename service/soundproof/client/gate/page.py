"""A gate as one HTML file that needs no other: verdict, claims, what was certified, curves, classes, clips to hear."""

import base64
import hashlib
from collections.abc import Iterator
from importlib.resources import files

from soundproof import __version__
from soundproof.client.gate import page_parts, page_terms
from soundproof.client.gate.audible import cards
from soundproof.client.gate.curve import Curve, Drawing
from soundproof.client.gate.journal import PastRun
from soundproof.client.gate.markup import paragraph, section, text
from soundproof.client.gate.report import VERDICTS, Report

WORST = 12


def page(report: Report, past: PastRun | None = None, most_clips: int = WORST) -> str:
    """The document. `past`: the baseline's run, for its curve; `most_clips` of the worst are there to be heard.

    Nothing in it comes from, or goes to, another host: its own policy forbids that, and any script but this one.
    """
    style, script = (_asset(name) for name in ("page.css", "page.js"))
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    title = f"{VERDICTS[report.outcome]}: {report.title}"
    return (
        "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        "<meta name=viewport content='width=device-width, initial-scale=1'>\n"
        "<meta name=color-scheme content='light dark'>\n"
        f"<title>{text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"{_header(report)}<main>\n{''.join(_sections(report, past, most_clips))}</main>\n{_footer(report)}"
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def _header(report: Report) -> str:
    verdict = VERDICTS[report.outcome]
    reasons = "".join(paragraph(reason, "reason") for reason in report.reasons)
    chosen = paragraph(f"Asked were {report.suite.chosen}.", "note") if report.suite.chosen else ""
    return (
        f'<header class="{report.outcome.value}"><div class=inner>'
        f"<p class=eyebrow>{text(report.title)}</p><h1><span class=verdict>{verdict}</span>"
        f"<span class=measure>{text(report.measure)}</span></h1>\n"
        f"{paragraph(report.headline, 'headline')}{page_parts.gauge(report)}{reasons}{chosen}</div></header>\n"
    )


def _sections(report: Report, past: PastRun | None, most_clips: int) -> Iterator[str]:
    claims = "".join(f"<li>{text(claim)}</li>\n" for claim in report.claims)
    yield section(
        "What this claims", f"<ul class=claims>{claims}</ul>", paragraph(page_terms.LIMITS, "note"), name="claims"
    )
    if report.comparison is not None:
        yield section(
            "Beside the baseline", *page_parts.baseline(report.comparison, report.regression), name="baseline"
        )
    if not report.question.sequential:
        yield section("How far it holds", _curve(report, past), name="curve")
    yield section("By class", page_parts.classes(report), name="classes")
    if report.decision.tally.held < report.decision.tally.clips:
        yield section("What was answered", page_parts.confusion_table(report), name="confusion")
    heard = cards(report, most_clips)
    if heard:
        yield section("Clips to listen to", paragraph(page_terms.HEARD, "note"), heard, name="clips")
    yield section("What was certified", page_terms.contract(report), name="contract")
    yield section("Every clip", page_parts.every_clip(report), name="all")


def _curve(report: Report, past: PastRun | None) -> str:
    question = report.question
    before = Curve.of(past.results, question) if past is not None and past.question.curve == question.curve else None
    drawing = Drawing(
        question, Curve.of(report.results, question), before, report.decision.allowance, report.decision.bar.least
    )
    keys = ['<span class="key now">certified and right</span>']
    if report.decision.allowance:
        keys.append('<span class="key band">less the false ones allowed for</span>')
    if before is not None:
        keys.append('<span class="key before">baseline, all its clips</span>')
    keys.append(f'<span class="key asked">{text(page_parts.asked(report))} at {text(question.target)}</span>')
    return f"<figure><div class=scroll>{drawing.svg()}</div><figcaption>{' '.join(keys)}</figcaption></figure>"


def _footer(report: Report) -> str:
    return f"<footer>soundproof {text(__version__)}; {report.votes:,} votes under noise.</footer>\n"


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
