"""The checks of a certificate that take a model or a decoded clip, each with what it found in a sentence."""

import math
from collections.abc import Mapping

from soundproof import __version__
from soundproof.api.catalog import Entry
from soundproof.api.seeds import seed_of
from soundproof.audio.facts import ClipFacts
from soundproof.engine.run import Finished
from soundproof.nets.manifest import ModelManifest
from soundproof.smoothing.gated import Question
from soundproof.smoothing.plan import Plan
from soundproof.smoothing.recount import Issued, outcome_of, vote_faults
from soundproof.smoothing.reissue import differences
from soundproof.stats.retest import (
    DIFFERS_BELOW,
    REFUTES_BELOW,
    chance_of_difference,
    chance_of_so_few,
    surely_refuted_below,
)
from soundproof.verify.report import Check

# How many differences a sentence names.
_NAMED = 4
# Sums of floats over noise samples: a library may add them up in another order.
_GEOMETRY = 1e-6


def check_model(stated: Issued, entries: Mapping[str, Entry]) -> tuple[Entry | None, Check]:
    """The model with the digest that is named, under whatever name, and whether the rest of its record is right."""
    model = stated.model
    entry = next((entry for entry in entries.values() if entry.manifest.digest == model.digest), None)
    if entry is None:
        served = entries.get(model.name)
        instead = (
            f"what is served as {model.name!r} is version {served.manifest.version!r} of digest "
            f"{served.manifest.digest}"
            if served
            else f"models here: {', '.join(entries)}"
        )
        named = f"No model here has the digest {model.digest[:64]} of {model.name!r} {model.version!r}"
        return None, Check.of("model", "failed", f"{named}; {instead}.")
    manifest = entry.manifest
    compared = {
        "name": (model.name, manifest.name),
        "version": (model.version, manifest.version),
        "weights_sha256": (model.weights_sha256, manifest.weights_sha256),
    }
    wrong = [f"{name} is {found!r}, not {said!r}" for name, (said, found) in compared.items() if said != found]
    if wrong:
        return entry, Check.of("model", "failed", f"The model of this digest is another: {_some(wrong)}.")
    return entry, Check.of(
        "model", "passed", f"{manifest.name!r} {manifest.version!r} is at hand with these very weights."
    )


def check_seed(stated: Issued, plan: Plan, seed_key: bytes) -> Check:
    """Only a match shows anything: a certificate may come from another service, or from before a change of key."""
    if stated.sampling.seed_source == "caller":
        return Check.of(
            "seed",
            "skipped",
            "The caller chose the seed: it may be the best of many that were tried, which costs confidence. The check "
            "with fresh noise does not depend on it.",
        )
    if seed_of(seed_key, plan) == plan.seed:
        return Check.of("seed", "passed", "This service derives this seed for this question: nobody chose it.")
    return Check.of(
        "seed",
        "skipped",
        "This service derives another seed for this question. The certificate was made under another seed key, of "
        "another service or before a change (without SOUNDPROOF_SEED_KEY: a restart), or somebody chose the seed; "
        "which of these cannot be told.",
    )


def check_votes(stated: Issued, plan: Plan, question: Question | None) -> Check:
    faults = vote_faults(stated, plan, question)
    if faults:
        return Check.of("votes", "failed", f"No run of this plan has such votes: {_some(faults)}.")
    looked = " and each look is at its boundary" if question else ""
    return Check.of("votes", "passed", f"The counts add up to the votes of this plan{looked}.")


def check_derived(  # noqa: PLR0913
    stated: Issued, plan: Plan, manifest: ModelManifest, facts: ClipFacts, question: Question | None, sound: bool
) -> Check:
    """`sound`: the votes have no faults."""
    if not sound:
        return Check.of("derived", "skipped", "Nothing follows from votes that no run can have had.")
    wrong = list(differences(stated, plan, manifest, facts, outcome_of(stated, plan, question)))
    if not wrong:
        return Check.of(
            "derived", "passed", "Every number and sentence follows from the counts, the plan and the clip."
        )
    remark = (
        f" It was issued by version {stated.service_version}; this is {__version__}, which may put things otherwise."
        if stated.service_version != __version__
        else ""
    )
    return Check.of(
        "derived", "failed", f"Not what follows from the counts, the plan and the clip: {_some(wrong)}.{remark}"
    )


def check_rerun(stated: Issued, finished: Finished, manifest: ModelManifest) -> Check:
    """The same generator, backend and kind of device draw the same noise and compute the same votes, to the last one.
    Another one may draw other noise or round otherwise: then the counts may differ as far as those of independent
    noise do, which is further than those of equal noise rounded otherwise."""
    sampling, tally = stated.sampling, finished.outcome.tally
    pairs = {
        "selection": (sampling.selection_counts, list(tally.selection)),
        "estimation": ([*sampling.counts, sampling.invalid], [*tally.estimation, tally.invalid]),
    }
    moved = sum(
        max(sum(max(0, a - b) for a, b in zip(said, found, strict=False)), abs(sum(said) - sum(found)))
        for said, found in pairs.values()
    )
    unlike = [
        f"{name} {said!r} there, {found!r} here"
        for name, said, found in (
            ("generator", sampling.generator, finished.generator),
            ("backend", sampling.backend, finished.backend),
            ("device", _kind(stated.compute.device), _kind(finished.device)),
        )
        if said != found
    ]
    if unlike:
        return _alike(pairs, [*manifest.classes, "invalid"], moved, _some(unlike))
    if any(said != found for said, found in pairs.values()):
        return Check.of(
            "rerun",
            "failed",
            f"The same seed and plan gave other votes: {moved} of them differ. The same generator, backend and "
            "precision give the same votes; only another kind of processor may round a few of them otherwise.",
        )
    said, found = stated.diagnostics, tally.geometry
    if not (
        math.isclose(said.d_geom, found.d_geom, rel_tol=_GEOMETRY)
        and math.isclose(said.effective_norm_ratio, found.effective_norm_ratio, rel_tol=_GEOMETRY)
    ):
        return Check.of("rerun", "failed", "The votes are the same, the diagnostics are not.")
    return Check.of(
        "rerun", "passed", f"The same seed and plan gave the same votes in every class, {tally.used} in all."
    )


def _alike(pairs: Mapping[str, tuple[list[int], list[int]]], classes: list[str], moved: int, unlike: str) -> Check:
    told = f"not the same machinery ({unlike}), so the counts may differ as those of independent noise do"
    for stage, (said, found) in pairs.items():
        if len(said) != len(found) or min(said, default=0) < 0:
            return Check.of("rerun", "failed", f"Of the {stage} votes: {len(said)} classes, here {len(found)}.")
        if not sum(said) or not sum(found):
            continue
        for name, one, other in zip(classes, said, found, strict=False):
            if (chance := chance_of_difference(one, sum(said), other, sum(found))) < DIFFERS_BELOW:
                return Check.of(
                    "rerun",
                    "failed",
                    f"{told}; but {one} of {sum(said)} {stage} votes for {name!r} there and {other} of {sum(found)} "
                    f"here are as far apart with probability {chance:.1g} only, below {DIFFERS_BELOW:g}.",
                )
    return Check.of(
        "rerun", "passed", f"{told}. {moved} votes differ, and no class by more than that explains ({DIFFERS_BELOW:g})."
    )


def check_fresh(stated: Issued, plan: Plan, finished: Finished) -> Check:
    """`plan`: of the fresh votes, drawn under the law that the slack allows for."""
    assert stated.prediction is not None and stated.p_a_lower is not None  # noqa: S101, PT018
    tally, label = finished.outcome.tally, stated.prediction.label
    count, n = tally.estimation[stated.prediction.index], tally.used
    least = plan.slack.narrowed(stated.p_a_lower)
    chance = chance_of_so_few(count, n, least)
    claimed = f"whose probability is claimed to be {stated.p_a_lower:.9g} or more"
    seen = f"{count} of {n} fresh votes are for {label!r}, {claimed}"
    if chance < REFUTES_BELOW:
        return Check.of(
            "fresh",
            "failed",
            f"{seen}. If so, so few would come with probability {chance:.2g} at most: the claim is refuted. It is"
            f" one of the share alpha ({stated.sampling.alpha:g}) that is false by chance, or of another model's.",
        )
    caught = surely_refuted_below(n, least)
    power = (
        f"a probability of {caught:.6g} or less would have been refuted with 99 % certainty, one in between perhaps not"
        if caught is not None
        else "so few votes refute nothing"
    )
    return Check.of("fresh", "passed", f"{seen}: not refuted. That does not prove it: {power}.")


def _kind(device: str) -> str:
    return device.partition(":")[0]


def _some(faults: list[str]) -> str:
    more = f"; and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    return "; ".join(faults[:_NAMED]) + more
