"""What was certified, exactly, and what it does not mean."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from soundproof.client.gate.markup import cell, row_head, table
from soundproof.client.gate.report import Report

LIMITS = (
    "The claims are about these clips, not about others like them, and about the smoothed classifier: the model with "
    "Gaussian noise added to its input many times and the majority answer taken. They say nothing about changes that "
    "are not bounded in l2 (time shifts, reverberation, other microphones). A clip that is not certified is not proven "
    "to fail."
)
HEARD = (
    "Worst first: wrong answers, then the clips with the most errors under noise, in the end the weakest of those that "
    "hold. Spectrograms are drawn here, from 0 Hz up, louder is brighter."
)

Certificate = Mapping[str, Any]


def contract(report: Report) -> str:
    """A table; where clips differ in a term, it says how many have which."""
    certificates = [result.certificate for result in report.results if result.certificate is not None]
    question = report.question
    rows = [
        ("model", f"{question.model} {question.model_version or ''}".strip()),
        ("model digest", question.model_digest),
        ("asked", _asked(report)),
        *((name, _said(certificates, value)) for name, value in TERMS.items()),
    ]
    return table(("", ""), [[row_head(name), cell(value)] for name, value in rows if value], "terms")


def _asked(report: Report) -> str:
    question = report.question
    if question.sequential:
        return f"does the answer hold at {question.target}? (sequential gate)"
    return f"the largest radius of each clip (fixed number of votes), compared with {question.target}"


def _said(certificates: list[dict[str, Any]], value: Callable[[Certificate], object]) -> str:
    counts: Counter[str] = Counter()
    for certificate in certificates:
        try:
            found = value(certificate)
        except (KeyError, TypeError):  # another version's certificate
            continue
        if found is not None:
            counts[str(found)] += 1
    if len(counts) <= 1:
        return next(iter(counts), "")
    listed = [f"{name} ({count:,} clips)" for name, count in counts.most_common(_LISTED)]
    return ", ".join(listed) + (f" and {len(counts) - _LISTED} more" if len(counts) > _LISTED else "")


_LISTED = 4


def _gain(certificate: Certificate) -> str:
    gain = certificate["contract"]["representation"]["gain"]
    target = "" if gain["target"] is None else f" to {gain['target']:g}"
    return f"{gain['policy']}{target}, computed once from each clean clip and held"


def _transform(certificate: Certificate) -> str:
    transform = certificate["contract"]["transform"]
    return f"{transform['name']}: {transform['definition']}"


TERMS: dict[str, Callable[[Certificate], object]] = {
    "contract": lambda c: c["contract"]["name"],
    "certified object": lambda c: c["contract"]["certified_object"],
    "noise, sigma": lambda c: f"{c['contract']['perturbation']['sigma']:.12g}, in {c['radius_unit']}",
    "noise drawn": lambda c: c["contract"]["perturbation"].get("noise"),
    "transform after the noise": _transform,
    "gain": _gain,
    "steps": lambda c: ", ".join(c["contract"]["representation"]["steps"]),
    "point": lambda c: (
        f"{c['contract']['representation']['dimension']:,} numbers at "
        f"{c['contract']['representation']['sample_rate_hz']:,} Hz"
    ),
    "votes": lambda c: f"n0 {c['sampling']['n0']:,}, n {'at most ' if c['gate'] else ''}{c['sampling']['n']:,}",
    "alpha per clip": lambda c: f"{c['sampling']['alpha']:.12g}",
    "bound": lambda c: None if c["gate"] else c["sampling"]["bound"],
    "seeds": lambda c: "the caller's" if c["sampling"]["seed_source"] == "caller" else "derived by the service",
    "generator": lambda c: c["sampling"]["generator"],
    "precision": lambda c: c["sampling"]["precision"],
    "device": lambda c: c["compute"]["device"],
    "service version": lambda c: c["service_version"],
}
