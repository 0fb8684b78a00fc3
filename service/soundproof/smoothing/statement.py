"""A certificate in words. Every number in a sentence is rounded to the safe side."""

from decimal import ROUND_FLOOR, Context, Decimal

from soundproof.audio.facts import ClipFacts
from soundproof.audio.file_domain import FileDomain
from soundproof.certificate import TransformRecord
from soundproof.nets.manifest import ModelManifest
from soundproof.smoothing.certification import Abstained, Certified
from soundproof.smoothing.plan import ContractName, Plan
from soundproof.stats.radius import snr_db
from soundproof.stats.rounding import format_down, format_up
from soundproof.terms import GainPolicy

# Significant digits in sentences; the certificate's own numbers are given in full.
RADIUS_DIGITS, SNR_DIGITS = 6, 5


def certified_statement(  # noqa: PLR0913
    plan: Plan,
    manifest: ModelManifest,
    facts: ClipFacts,
    transform: TransformRecord,
    outcome: Certified,
    lifted: FileDomain | None,
) -> str:
    """What was certified, of what, how surely, and what it means for the uploaded file (`lifted`)."""
    on_waveform = plan.contract is not ContractName.FEATURE
    smoothed = "the smoothed classifier" if on_waveform else "the smoothed classifier head"
    classifier = f"{smoothed} (model {manifest.name!r} {manifest.version}, noise sigma {plan.sigma:.12g})"
    if plan.contract is ContractName.POST_PROCESSED:
        classifier += f" behind the transform {plan.transform.value!r}"
        if transform.uses_clean_level:
            classifier += f", whose level is held at this clip's own, {transform.level:.6g},"
    point = certified_object(plan, manifest, facts) if not on_waveform else _clip(facts)
    claim = (
        f"With confidence {_confidence(plan.alpha)} %, {classifier} answers {manifest.classes[outcome.prediction]!r} "
        f"for every {'waveform' if on_waveform else 'point'} within l2 distance "
        f"{format_down(outcome.radius, RADIUS_DIGITS)} ({radius_unit(plan, manifest, facts)}) of {point}"
    )
    if not on_waveform:
        return f"{claim}. This says nothing about waveforms."
    snr = snr_db(facts.norm, outcome.radius)
    if snr is not None:
        claim += f", that is down to an SNR of {format_up(snr, SNR_DIGITS)} dB"
    if lifted is None:
        return f"{claim}."
    held = format_down(lifted.radius, RADIUS_DIGITS)
    claim += f". In the uploaded file's samples (full scale 1) the distance is {held} with the gain held"
    if transform.uses_clean_level:
        return f"{claim}."
    return f"{claim}, {format_down(lifted.gain_recomputed.radius, RADIUS_DIGITS)} with the gain recomputed."


def abstained_statement(plan: Plan, manifest: ModelManifest, facts: ClipFacts, outcome: Abstained) -> str:
    """Why there is no certificate, and of what."""
    return f"No certificate: {outcome.reason}. Nothing is claimed about {certified_object(plan, manifest, facts)}."


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


def _confidence(alpha: float) -> str:
    """1 - alpha in per cent, in decimal from alpha as it is written: in binary, 100 * (1 - 0.002) is below 99.8."""
    return f"{Context(prec=12, rounding=ROUND_FLOOR).plus(100 - 100 * Decimal(repr(alpha))).normalize():f}"
