"""From what is asked to the plan of a certification."""

import math
from dataclasses import replace
from typing import Literal

from soundproof.api.fields import CertifyFields, Fields
from soundproof.api.seeds import seed_of
from soundproof.errors import InvalidPlan, UnknownLabel
from soundproof.nets.manifest import ModelManifest
from soundproof.smoothing.plan import ContractName, Plan

SeedSource = Literal["service", "caller"]


def plan_for(
    fields: CertifyFields, manifest: ModelManifest, samples_sha256: str, seed_key: bytes
) -> tuple[Plan, SeedSource]:
    """The plan for a clip of that digest, and whose seed it has. `seed_key`: the secret behind the service's own.

    Raises UnknownLabel, InvalidPlan, ImpossiblePlan.
    """
    check_label(fields, manifest)
    if fields.contract is ContractName.FEATURE and not manifest.has_features:
        raise InvalidPlan(
            f"Model {manifest.name!r} has no features before its classifier: it takes the waveform itself.",
            "Use contract 'waveform', which is the same for it.",
        )
    if fields.precision not in manifest.precisions:
        raise InvalidPlan(
            f"Model {manifest.name!r} does not compute in {fields.precision.value}.",
            f"It computes in {', '.join(manifest.precisions)}.",
        )
    space: Literal["feature", "waveform"] = "feature" if fields.contract is ContractName.FEATURE else "waveform"
    plan = Plan(
        model=manifest.name,
        model_digest=manifest.digest,
        classes=len(manifest.classes),
        contract=fields.contract,
        transform=fields.transform,
        sigma=fields.sigma if fields.sigma is not None else manifest.recommended_sigma[space],
        n0=fields.n0,
        n=fields.n,
        alpha=fields.alpha,
        bound=fields.bound,
        seed=fields.seed or 0,
        clip_sha256=samples_sha256,
        dimension=math.prod(manifest.feature_shape) if space == "feature" else manifest.clip_samples,
        noise=fields.noise,
        precision=fields.precision,
        target_snr_db=fields.target_snr_db,
    )
    if fields.seed is not None:
        return plan, "caller"
    return replace(plan, seed=seed_of(seed_key, plan)), "service"


def cost_of(plan: Plan, manifest: ModelManifest, estimation: int | None = None) -> float:
    """Noise samples x clip samples: of the whole plan, a gate's too, or of so many estimation votes."""
    return (plan.n0 + (plan.n if estimation is None else estimation)) * float(manifest.clip_samples)


def check_label(fields: Fields, manifest: ModelManifest) -> None:
    """Raises UnknownLabel."""
    if fields.label is not None and fields.label not in manifest.classes:
        raise UnknownLabel(
            f"{fields.label!r} is not a class of model {manifest.name!r}.",
            f"Classes: {', '.join(manifest.classes)}.",
        )
