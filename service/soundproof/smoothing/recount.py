"""The votes that a certificate states: can they be those of its plan, and what do they prove? No torch here."""

from collections.abc import Iterator

from soundproof.certificate import AbstainedCertificate, CertifiedCertificate, GateRecord
from soundproof.smoothing.certification import Abstained, Certified, Geometry, Tally, answered, decide, leader
from soundproof.smoothing.gated import Answer, Look, Question, Verdict, verdict_at
from soundproof.smoothing.plan import Plan

Issued = CertifiedCertificate | AbstainedCertificate


def vote_faults(stated: Issued, plan: Plan, question: Question | None) -> list[str]:
    """Why no run of `plan` can have had these votes; none if one can. `question`: what its gate asks of the clip."""
    return list(_count_faults(stated, plan) or (_gate_faults(stated, question) if question else _total_faults(stated)))


def outcome_of(stated: Issued, plan: Plan, question: Question | None) -> Certified | Abstained:
    """What these votes, which have no faults, prove."""
    tally = _tally(stated)
    if question is None:
        return decide(plan, tally)
    candidate = leader(tally.selection)
    looks = _looks(stated.gate)
    verdict = verdict_at(question.gate, looks) if looks else Verdict.ABSTAINED
    assert verdict is not None  # noqa: S101  (the last look decides)
    return answered(plan, candidate, Answer(question, looks, verdict), tally)


def _tally(stated: Issued) -> Tally:
    """The geometry is the stated one: it does not follow from counts."""
    sampling, diagnostics = stated.sampling, stated.diagnostics
    return Tally(
        selection=tuple(sampling.selection_counts),
        estimation=tuple(sampling.counts),
        invalid=sampling.invalid,
        geometry=Geometry(diagnostics.d_geom, diagnostics.effective_norm_ratio, 1),
    )


def _count_faults(stated: Issued, plan: Plan) -> list[str]:
    sampling = stated.sampling
    faults = []
    for name, counts in (("selection_counts", sampling.selection_counts), ("counts", sampling.counts)):
        if len(counts) != plan.classes:
            faults.append(f"{name} has {len(counts)} classes, the model {plan.classes}")
        if min(counts, default=0) < 0:
            faults.append(f"{name} has a negative number of votes")
    if sampling.invalid < 0:
        faults.append(f"{sampling.invalid} votes are invalid")
    if (selected := sum(sampling.selection_counts)) > plan.n0:
        faults.append(f"selection_counts are {selected} votes of {plan.n0}")
    if (voted := sum(sampling.counts) + sampling.invalid) != sampling.samples_used:
        faults.append(f"counts and invalid are {voted} votes, samples_used {sampling.samples_used}")
    if stated.diagnostics.samples != plan.n0:
        faults.append(f"the diagnostics are of {stated.diagnostics.samples} samples, selection had {plan.n0}")
    return faults


def _total_faults(stated: Issued) -> Iterator[str]:
    if stated.sampling.samples_used != stated.sampling.n:
        yield f"{stated.sampling.samples_used} votes were used; without a target all {stated.sampling.n} are drawn"


def _gate_faults(stated: Issued, question: Question) -> Iterator[str]:
    """The looks must be those of the boundaries as computed here, and none before the last may have decided."""
    gate, looks = question.gate, _looks(stated.gate)
    used, candidate = stated.sampling.samples_used, leader(stated.sampling.selection_counts)
    if candidate is None:
        if looks:
            yield "it has looks, though selection found no class to count errors for"
        if used != gate.looks[0]:
            yield f"{used} votes were used; up to the first look {gate.looks[0]} are drawn"
        return
    if not 1 <= len(looks) <= len(gate.looks):
        yield f"it has {len(looks)} looks of at most {len(gate.looks)}"
        return
    before = Look(0, 0, 0)
    for number, (look, votes, most) in enumerate(zip(looks, gate.looks, gate.most_errors, strict=False), 1):
        if (look.votes, look.most_errors) != (votes, most):
            yield (
                f"look {number} is after {look.votes} votes with at most {look.most_errors} errors; "
                f"it has to be after {votes} with at most {most}"
            )
            return
        if not 0 <= look.errors - before.errors <= look.votes - before.votes:
            yield f"look {number} has {look.errors} errors after {before.errors}"
            return
        decided, last = verdict_at(gate, looks[:number]) is not None, number == len(looks)
        if decided != last:
            yield f"look {number} of {len(looks)} {'has decided already' if decided else 'decides nothing'}"
            return
        before = look
    if used != before.votes:
        yield f"{used} votes were used and {before.votes} looked at"
    elif (errors := used - stated.sampling.counts[candidate]) != before.errors:
        yield f"the counts have {errors} errors, the last look {before.errors}"


def _looks(gate: GateRecord | None) -> tuple[Look, ...]:
    return tuple(Look(look.votes, look.errors, look.most_errors) for look in gate.looks) if gate else ()
