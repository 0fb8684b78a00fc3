"""Outcome, plan and clip -> the certificate. No torch here."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
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
    Decoding,
    Diagnostics,
    FileDomainRecord,
    GainRecomputed,
    GainRecord,
    GateLook,
    GateRecord,
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
from soundproof.smoothing.gated import Answer
from soundproof.smoothing.plan import CLIP_LEVEL, PEAK_LEVEL, ContractName, Plan, TransformName
from soundproof.smoothing.statement import abstained_statement, certified_object, certified_statement, radius_unit
from soundproof.stats.radius import snr_db
from soundproof.terms import GainPolicy

# Names what the steps of a preparation do, down to their constants (docs/contracts.md); any change needs a new name.
PIPELINE = "soundproof-1"


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What the certificate says beside the mathematics. `decoding`: None for a WAV file."""

    audio_sha256: str
    generator: str
    backend: str
    label: str | None
    seed_source: Literal["service", "caller"]
    compute: Compute
    decoding: Decoding | None = None


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
    tally = outcome.tally
    common: dict[str, Any] = {
        "certificate_id": "sha256:" + 64 * "0",  # filled in below: it is the address of all the rest
        "created_at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "service_version": __version__,
        "label": circumstances.label,
        "radius_unit": radius_unit(plan, manifest, facts),
        "radius_ceiling": plan.radius_ceiling,
        "snr_floor_db": snr_db(facts.norm, plan.radius_ceiling) if on_waveform else None,
        "verdict": outcome.answer and outcome.answer.verdict.value,
        "gate": outcome.answer and _gate_record(outcome.answer),
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
            samples_used=tally.used,
            block_samples=plan.block_samples,
            generator=circumstances.generator,
            precision=plan.precision.value,
            backend=circumstances.backend,
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
            samples_sha256=plan.clip_sha256,
            sample_rate_hz=facts.sample_rate_hz,
            channels=facts.channels,
            frames=facts.frames,
            duration_s=facts.duration_s,
            rms_dbfs=facts.rms_dbfs,
            peak_dbfs=facts.peak_dbfs,
            cropped_frames=facts.cropped_frames,
            padded_frames=facts.padded_frames,
            decoding=circumstances.decoding,
        ),
        "compute": circumstances.compute,
    }
    certificate: CertifiedCertificate | AbstainedCertificate
    if isinstance(outcome, Certified):
        label = manifest.classes[outcome.prediction]
        lifted = file_domain(outcome.radius, facts) if on_waveform else None
        snr = _snr_db(outcome, facts) if on_waveform else None
        certificate = CertifiedCertificate(
            **common,
            statement=certified_statement(
                plan, manifest, facts, contract.transform, outcome, lifted, circumstances.decoding
            ),
            prediction=Prediction(index=outcome.prediction, label=label),
            correct=None if circumstances.label is None else label == circumstances.label,
            radius=outcome.radius,
            snr_cert_db=snr,
            p_a_lower=outcome.p_a_lower,
            saturated=outcome.saturated,
            file_domain=_file_record(lifted, contract.transform, circumstances.decoding) if lifted else None,
        )
    else:
        certificate = AbstainedCertificate(
            **common,
            statement=abstained_statement(plan, manifest, facts, outcome),
            reason=outcome.reason,
            p_a_lower=outcome.p_a_lower,
        )
    return certificate.model_copy(update={"certificate_id": content_id(certificate.model_dump(mode="json"))})


def _snr_db(outcome: Certified, facts: ClipFacts) -> float | None:
    """What the radius means for the certified waveform. A gate's was made from an SNR and is no more than it allows."""
    return outcome.answer.question.target_snr_db if outcome.answer else snr_db(facts.norm, outcome.radius)


def _gate_record(answer: Answer) -> GateRecord:
    question, gate = answer.question, answer.question.gate
    return GateRecord(
        target_snr_db=question.target_snr_db,
        target_radius=question.target_radius,
        null_error=gate.null_error,
        n=gate.looks[-1],
        looks=[GateLook(votes=look.votes, errors=look.errors, most_errors=look.most_errors) for look in answer.looks],
        hopeless_errors=gate.hopeless_errors,
    )


def _contract(plan: Plan, manifest: ModelManifest, facts: ClipFacts) -> ContractRecord:
    on_features = plan.contract is ContractName.FEATURE
    shape = list(manifest.feature_shape) if on_features else [facts.dimension]
    steps = [*facts.steps, manifest.feature_step] if on_features else list(facts.steps)
    return ContractRecord(
        name=plan.contract.value,
        certified_object=certified_object(plan, manifest, facts),
        representation=Representation(
            steps=steps,
            pipeline=PIPELINE,
            sample_rate_hz=facts.prepared_rate_hz,
            dimension=math.prod(shape),
            shape=shape,
            gain=GainRecord(policy=facts.gain_policy.value, target=facts.gain_target, value=facts.gain),
        ),
        perturbation=_perturbation(plan),
        transform=_transform(plan.transform, facts),
        reporting_scale="radius" if on_features else "snr",
    )


def _perturbation(plan: Plan) -> Perturbation:
    lattice = plan.lattice
    return Perturbation(
        space="feature" if plan.contract is ContractName.FEATURE else "waveform",
        sigma=plan.sigma,
        noise=plan.noise.value,
        step=lattice and lattice.step,
        radius_slack=plan.slack.distance if lattice else None,
        error_slack=plan.slack.error if lattice else None,
    )


def _transform(name: TransformName, facts: ClipFacts) -> TransformRecord:
    # Under RMS gain every clip has the target's RMS, and under peak gain its peak: then the level is no clip's own.
    own_rms, own_peak = facts.gain_policy is not GainPolicy.RMS, facts.gain_policy is not GainPolicy.PEAK
    rms = facts.norm / facts.dimension**0.5 if own_rms else facts.gain_target
    definition, level, uses_clean_level = {
        TransformName.FIXED: ("w", None, False),
        TransformName.RMS: ("w * level / RMS(w)", rms, own_rms),
        TransformName.CLIP: ("min(max(w, -level), level) per sample", CLIP_LEVEL, False),
        TransformName.PEAK: ("w * level / max|w|", PEAK_LEVEL, False),
        TransformName.PEAK_CLEAN: ("w * level / max|w|", facts.peak if own_peak else facts.gain_target, own_peak),
    }[name]
    return TransformRecord(name=name.value, definition=definition, level=level, uses_clean_level=uses_clean_level)


def _file_record(lifted: FileDomain, transform: TransformRecord, decoding: Decoding | None) -> FileDomainRecord:
    recomputed = GainRecomputed(
        radius=lifted.gain_recomputed.radius,
        snr_db=lifted.gain_recomputed.snr_db,
        exact=lifted.gain_recomputed.exact,
    )
    return FileDomainRecord(
        radius=lifted.radius,
        snr_db=lifted.snr_db,
        radius_dbfs=lifted.radius_dbfs,
        radius_lsb=None if decoding and decoding.lossy else lifted.radius_lsb,
        operator_norm=lifted.operator_norm,
        gain_recomputed=None if transform.uses_clean_level else recomputed,
    )
