"""One row: a clip classified, certified or measured with the service's own smoothing code."""

import math
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

import rows
import workers
from clips import Clip
from soundproof.audio.file_domain import file_domain
from soundproof.audio.prepare import Prepared, prepare
from soundproof.nets.folder import Model, load
from soundproof.nets.manifest import ModelManifest
from soundproof.smoothing.certification import Certification, Certified
from soundproof.smoothing.contracts import contract_for
from soundproof.smoothing.counting import norm_ratios
from soundproof.smoothing.noise import block_normal, generator_name
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import BoundName, ContractName, Plan, TransformName
from soundproof.smoothing.voting import geometry, vote
from soundproof.stats.radius import snr_db

CLEAN, GEOMETRY = "clean", "geometry"
KINDS = ("waveform", "feature", *(transform.value for transform in TransformName), GEOMETRY)
N0, ALPHA, NOISE_SEED = 100, 0.001, 1
# In a process, on its device: ours are small, but others' need not be.
MODELS_HELD = 4


@dataclass(frozen=True)
class Task:
    """One row to be computed."""

    folder: Path
    clip: Clip
    dataset: str
    setting: str
    n: int


@torch.inference_mode()
def compute(task: Task) -> rows.Row:
    """The row of one task, on the device that the process is at home on."""
    device = torch.device(workers.home())
    model = _model(task.folder, device)
    manifest = model.manifest
    waveform = task.clip.read()
    ready = prepare(
        waveform, sample_rate_hz=manifest.sample_rate_hz, clip_samples=manifest.clip_samples, gain=manifest.gain
    ).to(device)
    common: dict[str, Any] = {
        "model": manifest.name,
        "model_digest": manifest.digest,
        "noise_sigma": manifest.training and manifest.training.noise_sigma,
        "seed": manifest.training and manifest.training.seed,
        "fold": manifest.training and manifest.training.fold,
        "dataset": task.dataset,
        "clip": task.clip.name,
        "samples_sha256": waveform.digest,
        "label": task.clip.label,
        "setting": task.setting,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "generator": generator_name(device),
        "backend": model.backend,
    }
    if task.setting == CLEAN:
        logits = model.classifier.head(model.classifier.features(ready.x.float().unsqueeze(0)))
        return rows.CleanRow(**common, prediction=manifest.classes[int(logits.argmax())])
    kind, _, sigma = task.setting.partition(":")
    if kind == GEOMETRY:
        shapes = {
            transform.value: shape(
                model, ready, plan_of(manifest, transform.value, float(sigma), task.n, waveform.digest)
            )
            for transform in TransformName
        }
        return rows.GeometryRow(**common, sigma=float(sigma), samples=N0, transforms=shapes)
    return certificate(model, ready, plan_of(manifest, kind, float(sigma), task.n, waveform.digest), common)


def certificate(model: Model, ready: Prepared, plan: Plan, common: dict[str, Any]) -> rows.CertificateRow:
    """A fixed-budget certificate, as the service computes it."""
    started = time.perf_counter()
    contract = contract_for(plan, model.classifier, ready)
    point = contract.anchor(ready)
    certification = Certification(plan)
    for block in certification.wanted():
        certification.record(block, vote(contract, point, plan, block, model.most_clips(point.device)))
    outcome = certification.outcome()
    certified = outcome if isinstance(outcome, Certified) else None
    on_waveform = plan.contract is not ContractName.FEATURE
    in_file = file_domain(certified.radius, ready.facts) if certified and on_waveform else None
    return rows.CertificateRow(
        **common,
        contract=plan.contract.value,
        transform=plan.transform.value,
        sigma=plan.sigma,
        n0=plan.n0,
        n=plan.n,
        alpha=plan.alpha,
        bound=plan.bound.value,
        noise_seed=plan.seed,
        outcome="certified" if certified else "abstained",
        prediction=model.manifest.classes[certified.prediction] if certified else None,
        radius=certified and certified.radius,
        snr_db=snr_db(ready.facts.norm, certified.radius) if certified and on_waveform else None,
        file_radius=in_file and in_file.radius,
        ceiling=plan.radius_ceiling,
        selection_counts=outcome.tally.selection,
        counts=outcome.tally.estimation,
        invalid=outcome.tally.invalid,
        d_geom=outcome.tally.geometry.d_geom,
        effective_norm_ratio=outcome.tally.geometry.effective_norm_ratio,
        seconds=round(time.perf_counter() - started, 3),
    )


def shape(model: Model, ready: Prepared, plan: Plan) -> rows.Shape:
    """A transform's geometry over the selection stage's noise: what a certificate of the plan states, without votes."""
    contract = contract_for(plan, model.classifier, ready)
    point = contract.anchor(ready)
    ratios: list[float] = []
    for block in plan.blocks(Stage.SELECTION):
        noise = block_normal(plan.noise_stream, block.stage, block.index, (block.samples, *point.shape), point.device)
        perturbation = plan.sigma * noise.double()
        ratios += norm_ratios(contract, point, (point + perturbation).float(), perturbation).tolist()
    measured = geometry(ratios)
    return rows.Shape(d_geom=measured.d_geom, effective_norm_ratio=measured.effective_norm_ratio)


def plan_of(manifest: ModelManifest, kind: str, sigma: float, n: int, samples_sha256: str) -> Plan:
    """`kind`: a contract on its own, or the transform of the post-processed one."""
    alone = kind in {ContractName.WAVEFORM.value, ContractName.FEATURE.value}
    return Plan(
        model=manifest.name,
        model_digest=manifest.digest,
        classes=len(manifest.classes),
        contract=ContractName(kind) if alone else ContractName.POST_PROCESSED,
        transform=TransformName.FIXED if alone else TransformName(kind),
        sigma=sigma,
        n0=N0,
        n=n,
        alpha=ALPHA,
        bound=BoundName.CLOPPER_PEARSON,
        seed=NOISE_SEED,
        clip_sha256=samples_sha256,
        dimension=math.prod(manifest.feature_shape) if kind == ContractName.FEATURE else manifest.clip_samples,
    )


@lru_cache(MODELS_HELD)
def _model(folder: Path, device: torch.device) -> Model:
    return load(folder, device)
