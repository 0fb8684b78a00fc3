"""Outcome, plan and clip -> the certificate. No torch here."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any, Literal

from soundproof import __version__
from soundproof.audio.facts import ClipFacts
from soundproof.audio.file_domain import FileDomain, file_domain
from soundproof.certificate import (
    AbstainedCertificate,
    AudioRecord,
    CertifiedCertificate,
    Compute,
    ContractRecord,
    Diagnostics,
    FileDomainRecord,
    GainRecomputed,
    GainRecord,
    ModelRecord,
    Perturbation,
    Prediction,
    Representation,
    Sampling,
    TransformRecord,
    content_id,
)
from soundproof.nets.manifest import ModelManifest
from soundproof.smoothing.certification import Abstained, Certified
from soundproof.smoothing.plan import CLIP_LEVEL, PEAK_LEVEL, ContractName, Plan, TransformName
from soundproof.stats.radius import format_down, format_up, snr_db
from soundproof.terms import GainPolicy

# Significant digits in sentences; the numbers themselves are given in full.
RADIUS_DIGITS, SNR_DIGITS = 6, 5


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What the certificate says beside the mathematics."""

    audio_sha256: str
    label: str | None
    seed_source: Literal["service", "caller"]
    compute: Compute


def issue(
    plan: Plan,
    manifest: ModelManifest,
    facts: ClipFacts,
    outcome: Certified | Abstained,
    circumstances: Circumstances,
) -> CertifiedCertificate | AbstainedCertificate:
    """The certificate of a finished certification, under its content address."""
    on_waveform = plan.contract is not ContractName.FEATURE
    contract = _contract(plan, manifest, facts)
    unit = _radius_unit(facts) if on_waveform or manifest.front_end is None else "log-mel, nats"
    tally = outcome.tally
    common: dict[str, Any] = {
        "certificate_id": "sha256:" + 64 * "0",  # filled in below: it is the address of all the rest
        "created_at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "service_version": __version__,
        "label": circumstances.label,
        "radius_unit": unit,
        "radius_ceiling": plan.radius_ceiling,
        "snr_floor_db": snr_db(facts.norm, plan.radius_ceiling) if on_waveform else None,
        "contract": contract,
        "sampling": Sampling(
            n0=plan.n0,
            n=plan.n,
            alpha=plan.alpha,
            bound=plan.bound.value,
            seed=plan.seed,
            seed_source=circumstances.seed_source,
            selection_counts=list(tally.selection),
            counts=list(tally.estimation),
            invalid=tally.invalid,
            samples_used=sum(tally.estimation) + tally.invalid,
            block_samples=plan.block_samples,
        ),
        "diagnostics": Diagnostics(
            d_geom=tally.geometry.d_geom,
            effective_norm_ratio=tally.geometry.effective_norm_ratio,
            samples=tally.geometry.samples,
        ),
        "model": ModelRecord(
            name=manifest.name,
            version=manifest.version,
            weights_sha256=manifest.weights_sha256,
            digest=manifest.digest,
        ),
        "audio": AudioRecord(
            sha256=circumstances.audio_sha256,
            sample_rate_hz=facts.sample_rate_hz,
            channels=facts.channels,
            frames=facts.frames,
            duration_s=facts.duration_s,
            rms_dbfs=facts.rms_dbfs,
            peak_dbfs=facts.peak_dbfs,
            cropped_frames=facts.cropped_frames,
            padded_frames=facts.padded_frames,
        ),
        "compute": circumstances.compute,
    }
    certificate: CertifiedCertificate | AbstainedCertificate
    if isinstance(outcome, Certified):
        label = manifest.classes[outcome.prediction]
        lifted = file_domain(outcome.radius, facts) if on_waveform else None
        snr = snr_db(facts.norm, outcome.radius) if on_waveform else None
        certificate = CertifiedCertificate(
            **common,
            statement=_certified_statement(plan, facts, contract, label, outcome.radius, unit, snr, lifted),
            prediction=Prediction(index=outcome.prediction, label=label),
            correct=None if circumstances.label is None else label == circumstances.label,
            radius=outcome.radius,
            snr_cert_db=snr,
            p_a_lower=outcome.p_a_lower,
            saturated=outcome.saturated,
            file_domain=_file_record(lifted) if lifted else None,
        )
    else:
        certificate = AbstainedCertificate(
            **common,
            statement=f"No certificate: {outcome.reason}. Nothing is claimed about {contract.certified_object}.",
            reason=outcome.reason,
            p_a_lower=outcome.p_a_lower,
        )
    return certificate.model_copy(update={"certificate_id": content_id(certificate.model_dump(mode="json"))})


def _contract(plan: Plan, manifest: ModelManifest, facts: ClipFacts) -> ContractRecord:
    on_features = plan.contract is ContractName.FEATURE
    shape = list(manifest.feature_shape) if on_features else [facts.dimension]
    dimension = 1
    for size in shape:
        dimension *= size
    steps = [*facts.steps, "log_mel"] if on_features and manifest.front_end else list(facts.steps)
    clip = _clip(facts)
    certified_object = {
        ContractName.WAVEFORM: clip,
        ContractName.FEATURE: f"the features ({' x '.join(map(str, shape))}) of {clip}",
        ContractName.POST_PROCESSED: f"{clip}, for the classifier behind the transform {plan.transform.value!r}",
    }[plan.contract]
    return ContractRecord(
        name=plan.contract.value,
        certified_object=certified_object,
        representation=Representation(
            steps=steps,
            sample_rate_hz=facts.prepared_rate_hz,
            dimension=dimension,
            shape=shape,
            gain=GainRecord(policy=facts.gain_policy.value, target=facts.gain_target, value=facts.gain),
        ),
        perturbation=Perturbation(space="feature" if on_features else "waveform", sigma=plan.sigma),
        transform=_transform(plan.transform, facts),
        reporting_scale="radius" if on_features else "snr",
    )


def _clip(facts: ClipFacts) -> str:
    """The certified waveform in words; never more than what the model hears."""
    if facts.cropped_frames:
        part = f"the middle {facts.dimension} of the clip's {facts.dimension + facts.cropped_frames} samples"
        return f"{part} at {facts.prepared_rate_hz} Hz, gain held fixed"
    padding = f" ({facts.padded_frames} of them zero padding)" if facts.padded_frames else ""
    return f"the clip at {facts.prepared_rate_hz} Hz, {facts.dimension} samples{padding}, gain held fixed"


def _transform(name: TransformName, facts: ClipFacts) -> TransformRecord:
    clean_rms = facts.norm / facts.dimension**0.5
    # Under RMS gain every clip has the target's RMS, and under peak gain its peak: then the level is no clip's own.
    definition, level, uses_clean_level = {
        TransformName.FIXED: ("w", None, False),
        TransformName.RMS: ("w * level / RMS(w)", clean_rms, facts.gain_policy is not GainPolicy.RMS),
        TransformName.CLIP: ("min(max(w, -level), level) per sample", CLIP_LEVEL, False),
        TransformName.PEAK: ("w * level / max|w|", PEAK_LEVEL, False),
        TransformName.PEAK_CLEAN: ("w * level / max|w|", facts.peak, facts.gain_policy is not GainPolicy.PEAK),
    }[name]
    return TransformRecord(name=name.value, definition=definition, level=level, uses_clean_level=uses_clean_level)


def _radius_unit(facts: ClipFacts) -> str:
    match facts.gain_policy:
        case GainPolicy.RMS:
            return f"waveform amplitude at RMS {facts.gain_target:g}"
        case GainPolicy.PEAK:
            return f"waveform amplitude at peak {facts.gain_target:g}"
        case GainPolicy.NONE:
            return "waveform amplitude, full scale 1"


def _certified_statement(  # noqa: PLR0913
    plan: Plan,
    facts: ClipFacts,
    contract: ContractRecord,
    label: str,
    radius: float,
    unit: str,
    snr: float | None,
    lifted: FileDomain | None,
) -> str:
    confidence = f"With confidence {_confidence(plan.alpha)} %"
    distance = f"l2 distance {format_down(radius, RADIUS_DIGITS)} ({unit})"
    if lifted is None:
        return (
            f"{confidence}, the smoothed classifier answers {label!r} for every point within {distance} of "
            f"{contract.certified_object}. This says nothing about waveforms."
        )
    behind = f" behind the transform {plan.transform.value!r}" if plan.contract is ContractName.POST_PROCESSED else ""
    at_snr = f", that is down to an SNR of {format_up(snr, SNR_DIGITS)} dB" if snr is not None else ""
    return (
        f"{confidence}, the smoothed classifier{behind} answers {label!r} for every waveform within {distance} of "
        f"{_clip(facts)}{at_snr}. In the uploaded file's samples "
        f"(full scale 1) the distance is {format_down(lifted.radius, RADIUS_DIGITS)} with the gain held, "
        f"{format_down(lifted.gain_recomputed.radius, RADIUS_DIGITS)} with the gain recomputed."
    )


def _confidence(alpha: float) -> str:
    """1 - alpha in per cent, in decimal from alpha as it is written: in binary, 100 * (1 - 0.002) is below 99.8."""
    return f"{Context(prec=12, rounding=ROUND_FLOOR).plus(100 - 100 * Decimal(repr(alpha))).normalize():f}"


def _file_record(lifted: FileDomain) -> FileDomainRecord:
    return FileDomainRecord(
        radius=lifted.radius,
        snr_db=lifted.snr_db,
        radius_dbfs=lifted.radius_dbfs,
        radius_lsb=lifted.radius_lsb,
        operator_norm=lifted.operator_norm,
        gain_recomputed=GainRecomputed(
            radius=lifted.gain_recomputed.radius,
            snr_db=lifted.gain_recomputed.snr_db,
            exact=lifted.gain_recomputed.exact,
        ),
    )
