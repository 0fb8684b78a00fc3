"""Versions of small models put into a models folder while it is served, and the counts that each must be given."""

import os
from pathlib import Path

import numpy as np
from tests.audio.wav_bytes import encode_pcm16
from tests.conftest import TINY_SAMPLES
from tests.model_folders import RMS_GAIN, random_linear, write_linear

from soundproof.audio import wav
from soundproof.audio.prepare import prepare
from soundproof.nets import folder
from soundproof.nets.manifest import ModelManifest, write_manifest
from soundproof.smoothing.certification import Certification
from soundproof.smoothing.contracts import contract_for
from soundproof.smoothing.plan import BoundName, ContractName, Plan, TransformName
from soundproof.smoothing.voting import vote_all

CLIP = encode_pcm16((0.1 * np.random.default_rng(3).standard_normal((1, TINY_SAMPLES))).astype(np.float32), 16_000)
# Enough noise that every class gets votes: counts tell versions apart.
SIGMA, N0, N, SEED = 2.0, 100, 500, 5
FIELDS = {"sigma": str(SIGMA), "n": str(N), "seed": str(SEED)}


def publish(place: Path, version: int, *, name: str | None = None) -> ModelManifest:
    """Write a model into a folder, in place: weights and manifest are those of `version` only."""
    manifest = write_linear(place, *random_linear(TINY_SAMPLES, classes=3, seed=version), gain=RMS_GAIN)
    return write_manifest(place, manifest.model_copy(update={"name": name or place.name, "version": str(version)}))


def switch(link: Path, folder: Path) -> None:
    """Point a link at another folder in one step: at no time is there none."""
    fresh = link.parent / f".{link.name}"
    fresh.symlink_to(folder)
    fresh.replace(link)


def broken(place: Path) -> None:
    """The weights belong to another manifest from now on. Replaced, not written over: who has them open keeps them."""
    fresh = place / ".weights"
    fresh.write_bytes(os.urandom(64))
    fresh.replace(place / "weights.safetensors")


def counts_of(place: Path) -> list[int]:
    """The estimation votes of CLIP with FIELDS, drawn here, by no engine."""
    model = folder.load(place)
    manifest = model.manifest
    waveform = wav.read(CLIP)
    plan = Plan(
        model=manifest.name,
        model_digest=manifest.digest,
        classes=len(manifest.classes),
        contract=ContractName.WAVEFORM,
        transform=TransformName.FIXED,
        sigma=SIGMA,
        n0=N0,
        n=N,
        alpha=0.001,
        bound=BoundName.CLOPPER_PEARSON,
        seed=SEED,
        clip_sha256=waveform.digest,
        dimension=manifest.clip_samples,
    )
    clip = prepare(
        waveform, sample_rate_hz=manifest.sample_rate_hz, clip_samples=manifest.clip_samples, gain=manifest.gain
    )
    contract = contract_for(plan, model.classifier, clip)
    certification = Certification(plan)
    while blocks := certification.wanted():
        for block, votes in zip(blocks, vote_all(contract, contract.anchor(clip), plan, blocks, 32), strict=True):
            certification.record(block, votes)
    return list(certification.outcome().tally.estimation)
