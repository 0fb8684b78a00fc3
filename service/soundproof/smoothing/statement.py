"""A certificate in words. Every number in a sentence is rounded to the safe side."""

import math

from soundproof.audio.compressed import SPOKEN
from soundproof.audio.facts import ClipFacts
from soundproof.audio.file_domain import FileDomain
from soundproof.certificate import Decoding, TransformRecord
from soundproof.nets.manifest import ModelManifest
from soundproof.smoothing.certification import Abstained, Certified
from soundproof.smoothing.gated import Answer, Verdict
from soundproof.smoothing.lattice import Lattice
from soundproof.smoothing.plan import ContractName, Plan
from soundproof.stats.radius import snr_db
from soundproof.stats.rounding import confidence_percent, format_down, format_up
from soundproof.terms import GainPolicy, Precision

# Significant digits in sentences; the certificate's own numbers are given in full.
RADIUS_DIGITS, SNR_DIGITS = 6, 5


def certified_statement(  # noqa: PLR0913
    plan: Plan,
    manifest: ModelManifest,
    facts: ClipFacts,
    transform: TransformRecord,
    outcome: Certified,
    lifted: FileDomain | None,
    decoding: Decoding | None = None,
) -> str:
    """What was certified, of what, how surely, and what it means for the uploaded file (`lifted`), or for what a
    decoder makes of it (`decoding`; None for a WAV file)."""
    lossy = decoding if decoding and decoding.lossy else None
    claim = _claim(plan, manifest, facts, transform, outcome, lifted, "decoded" if lossy else "uploaded")
    parts = [claim, plan.lattice and _on_the_lattice(plan.lattice), lossy and _as_decoded(lossy)]
    return " ".join(part for part in parts if part)


def _claim(  # noqa: PLR0913
    plan: Plan,
    manifest: ModelManifest,
    facts: ClipFacts,
    transform: TransformRecord,
    outcome: Certified,
    lifted: FileDomain | None,
    file: str,
) -> str:
    on_waveform = plan.contract is not ContractName.FEATURE
    smoothed = "the smoothed classifier" if on_waveform else "the smoothed classifier head"
    computed = "" if plan.precision is Precision.FLOAT32 else f" computed in {plan.precision.value}"
    classifier = f"{smoothed} (model {manifest.name!r} {manifest.version}{computed}, noise sigma {plan.sigma:.12g})"
    if plan.contract is ContractName.POST_PROCESSED:
        classifier += f" behind the transform {plan.transform.value!r}"
        if transform.uses_clean_level:
            classifier += f", whose level is held at this clip's own, {transform.level:.6g},"
    point = certified_object(plan, manifest, facts) if not on_waveform else _clip(facts)
    claim = (
        f"With confidence {confidence_percent(plan.alpha)} %, {classifier} answers "
        f"{manifest.classes[outcome.prediction]!r} "
        f"for every {'waveform' if on_waveform else 'point'} within l2 distance "
        f"{format_down(outcome.radius, RADIUS_DIGITS)} ({radius_unit(plan, manifest, facts)}) of {point}"
    )
    if not on_waveform:
        return f"{claim}. This says nothing about waveforms."
    if outcome.answer is not None:
        claim += f", that is down to the SNR asked for, {_target(outcome.answer)} dB"
    elif (snr := snr_db(facts.norm, outcome.radius)) is not None:
        claim += f", that is down to an SNR of {format_up(snr, SNR_DIGITS)} dB"
    if lifted is None:
        return f"{claim}."
    held = format_down(lifted.radius, RADIUS_DIGITS)
    claim += f". In the {file} file's samples (full scale 1) the distance is {held} with the gain held"
    if transform.uses_clean_level:
        return f"{claim}."
    return f"{claim}, {format_down(lifted.gain_recomputed.radius, RADIUS_DIGITS)} with the gain recomputed."


def abstained_statement(plan: Plan, manifest: ModelManifest, facts: ClipFacts, outcome: Abstained) -> str:
    """Why there is no certificate, and of what; and what a gate that did not certify does not say."""
    nothing = f"Nothing is claimed about {certified_object(plan, manifest, facts)}."
    answer = outcome.answer
    if answer is None or answer.verdict is Verdict.ABSTAINED:
        return f"No certificate: {outcome.reason}. {nothing}"
    asked = f"the answer holds down to an SNR of {_target(answer)} dB"
    if answer.verdict is Verdict.REFUTED:
        return (
            f"Refuted: {outcome.reason}. This gate can no longer certify that {asked}; that is no proof that it does "
            f"not. {nothing}"
        )
    return (
        f"Undecided: {outcome.reason}, and all are drawn. This gate leaves open whether {asked}; one of more votes may "
        f"tell. {nothing}"
    )


def _as_decoded(lossy: Decoding) -> str:
    """A lossy file is no samples: which ones are meant."""
    return (
        f"The uploaded file is {SPOKEN[lossy.encoding]}: the clip is what {lossy.decoder} decodes it to, and another "
        "decoder may give other samples."
    )


def _on_the_lattice(lattice: Lattice) -> str:
    """Which classifier it is that the theorem is about: the one that was computed."""
    return (
        "The classifier meant is the one that is computed: each number given to it is rounded to a multiple of "
        f"2^{math.log2(lattice.step):.0f}, Gaussian noise rounded likewise is added without error, and what follows "
        "takes the sum in float32; the distance allows for the rounding to multiples."
    )


def _target(answer: Answer) -> str:
    """The SNR that was asked for, in dB, as it was written: what was tested is more by far more than its last digit."""
    return repr(answer.question.target_snr_db).removesuffix(".0")


def certified_object(plan: Plan, manifest: ModelManifest, facts: ClipFacts) -> str:
    """What the ball is around, and for which classifier where that is not the model itself."""
    match plan.contract:
        case ContractName.WAVEFORM:
            return _clip(facts)
        case ContractName.FEATURE:
            return f"the features ({' x '.join(map(str, manifest.feature_shape))}) of {_clip(facts)}"
        case ContractName.POST_PROCESSED:
            return f"{_clip(facts)}, for the classifier behind the transform {plan.transform.value!r}"


def radius_unit(plan: Plan, manifest: ModelManifest, facts: ClipFacts) -> str:
    """The unit of the radius, sigma and ceiling."""
    if plan.contract is ContractName.FEATURE:
        return manifest.feature_unit
    match facts.gain_policy:
        case GainPolicy.RMS:
            return f"waveform amplitude at RMS {facts.gain_target:.12g}"
        case GainPolicy.PEAK:
            return f"waveform amplitude at peak {facts.gain_target:.12g}"
        case GainPolicy.NONE:
            return "waveform amplitude, full scale 1"


def _clip(facts: ClipFacts) -> str:
    """The certified waveform in words; never more than what the model hears."""
    if facts.cropped_frames:
        part = f"the middle {facts.dimension} of the clip's {facts.dimension + facts.cropped_frames} samples"
        return f"{part} at {facts.prepared_rate_hz} Hz, gain held fixed"
    padding = f" ({facts.padded_frames} of them zero padding)" if facts.padded_frames else ""
    return f"the clip at {facts.prepared_rate_hz} Hz, {facts.dimension} samples{padding}, gain held fixed"
