"""A certificate made anew from its plan, its votes and the clip, to be held against what it says. No torch here."""

import math
from collections.abc import Iterator
from typing import Any

from soundproof.audio.facts import ClipFacts
from soundproof.certificate import UNADDRESSED, AbstainedCertificate, CertifiedCertificate
from soundproof.errors import InvalidPlan
from soundproof.nets.manifest import ModelManifest
from soundproof.smoothing.certification import Abstained, Certified
from soundproof.smoothing.issue import Circumstances, issue
from soundproof.smoothing.plan import BoundName, ContractName, NoiseName, Plan, TransformName
from soundproof.terms import Precision

# Two libraries may differ in a number's last places. Directed rounding moves every number by as much, so what is within
# it says the same; a number in dB may be near 0, where a share of it is nothing.
_RELATIVE = 2.0**-40
_DB = 1e-9
# Characters of a value that a difference shows.
_SHOWN = 80

Issued = CertifiedCertificate | AbstainedCertificate


def plan_of(stated: Issued, manifest: ModelManifest, clip_sha256: str) -> Plan:
    """The plan that a certificate of this model and clip says it followed. Raises PlanError where there is none."""
    contract, sampling, gate = stated.contract, stated.sampling, stated.gate
    on_features = contract.name == "feature"
    if on_features and not manifest.has_features:
        raise InvalidPlan(f"Model {manifest.name!r} has no features before its classifier.")
    if sampling.precision not in manifest.precisions:
        raise InvalidPlan(f"Model {manifest.name!r} does not compute in {sampling.precision}.")
    return Plan(
        model=manifest.name,
        model_digest=manifest.digest,
        classes=len(manifest.classes),
        contract=ContractName(contract.name),
        transform=TransformName(contract.transform.name),
        sigma=contract.perturbation.sigma,
        n0=sampling.n0,
        n=sampling.n,
        alpha=sampling.alpha,
        bound=BoundName(sampling.bound),
        seed=sampling.seed,
        clip_sha256=clip_sha256,
        dimension=math.prod(manifest.feature_shape) if on_features else manifest.clip_samples,
        noise=NoiseName(contract.perturbation.noise),
        precision=Precision(sampling.precision),
        target_snr_db=gate.target_snr_db if gate else None,
    )


def differences(
    stated: Issued, plan: Plan, manifest: ModelManifest, facts: ClipFacts, outcome: Certified | Abstained
) -> Iterator[str]:
    """Where the certificate says something else than the one made anew, each with both values.

    Not compared: what is unaddressed, and what is a fact of the run rather than a consequence of its counts (seed
    source, generator, backend, geometry) or of the upload (its digest, and what decoded it)."""
    if stated.label is not None and stated.label not in manifest.classes:
        yield f"label: {stated.label!r} is not a class of the model"
    circumstances = Circumstances(
        audio_sha256=stated.audio.sha256,
        generator=stated.sampling.generator,
        backend=stated.sampling.backend,
        label=stated.label,
        seed_source=stated.sampling.seed_source,
        compute=stated.compute,
        decoding=stated.audio.decoding,
    )
    anew = issue(plan, manifest, facts, outcome, circumstances)
    # The geometry of outcomes made from a certificate is that of one sample.
    anew = anew.model_copy(update={"diagnostics": anew.diagnostics.model_copy(update={"samples": plan.n0})})
    left_out = set(UNADDRESSED)
    yield from _differences(
        "", stated.model_dump(mode="json", exclude=left_out), anew.model_dump(mode="json", exclude=left_out)
    )


def _differences(path: str, stated: Any, anew: Any) -> Iterator[str]:
    if isinstance(stated, dict) and isinstance(anew, dict):
        for key in {**anew, **stated}:
            yield from _differences(f"{path}.{key}" if path else key, stated.get(key), anew.get(key))
    elif isinstance(stated, list) and isinstance(anew, list) and len(stated) == len(anew):
        for index, (one, other) in enumerate(zip(stated, anew, strict=True)):
            yield from _differences(f"{path}.{index}", one, other)
    elif not _same(path, stated, anew):
        yield f"{path}: {_shown(stated)} is stated, {_shown(anew)} follows"


def _same(path: str, stated: Any, anew: Any) -> bool:
    if isinstance(stated, float) and isinstance(anew, float):
        return math.isclose(stated, anew, rel_tol=_RELATIVE, abs_tol=_DB if path.endswith(("_db", "_dbfs")) else 0.0)
    return type(stated) is type(anew) and stated == anew


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
