"""Certificate documents for tests: of one plan, clip and outcome, all alike but for what a test is about."""

import json
import math
from dataclasses import replace
from typing import Any

from tests.smoothing.plans import plan_with

from soundproof.audio.facts import ClipFacts
from soundproof.certificate import Compute
from soundproof.nets.manifest import ModelManifest, Training
from soundproof.nets.specs import CnnSpec, LogMelSpec
from soundproof.smoothing.certification import Abstained, Certified, Geometry, Tally
from soundproof.smoothing.issue import Circumstances, issue
from soundproof.smoothing.plan import ContractName, Plan, TransformName
from soundproof.terms import Gain, GainPolicy

# The paper's Table 1: sigma 0.0025, 10,000 unanimous votes, RMS 1 over 16,000 samples.
PLAN = plan_with(sigma=0.0025, n=10_000)
RADIUS, NORM = 0.00799644378684583, math.sqrt(16_000)
MANIFEST = ModelManifest(
    name="tiny",
    version="1",
    architecture=CnnSpec(),
    front_end=LogMelSpec(),
    classes=("no", "yes", "it's"),
    sample_rate_hz=16_000,
    clip_samples=16_000,
    gain=Gain(GainPolicy.RMS, 1.0),
    training=Training(noise_sigma=(0.0,), epochs=1, seed=0, clips=1),
    recommended_sigma={"waveform": 0.02, "feature": 0.02},
    data="none",
    data_licence="none",
    licence="none",
    weights_sha256="ab" * 32,
)
FACTS = ClipFacts(
    sample_rate_hz=44_100,
    channels=2,
    frames=44_100,
    duration_s=1.0,
    rms_dbfs=-20.0,
    peak_dbfs=-6.0,
    file_norm=29.7,
    steps=("mono", "resample", "gain"),
    cropped_frames=0,
    padded_frames=0,
    gain_policy=GainPolicy.RMS,
    gain_target=1.0,
    gain=8.0,
    operator_norm=0.5,
    linear_norm=NORM / 8,
    norm=NORM,
    peak=3.5,
    dimension=16_000,
    prepared_rate_hz=16_000,
)
SILENT = replace(
    FACTS,
    rms_dbfs=None,
    peak_dbfs=None,
    file_norm=0.0,
    steps=("mono", "resample"),
    gain_policy=GainPolicy.NONE,
    gain_target=None,
    gain=1.0,
    linear_norm=0.0,
    norm=0.0,
    peak=0.0,
)
TALLY = Tally(selection=(1, 99, 0), estimation=(0, 10_000, 0), invalid=0, geometry=Geometry(6.5e-6, 100.0000001, 100))
CERTIFIED = Certified(prediction=1, radius=RADIUS, p_a_lower=0.9993, saturated=True, tally=TALLY)
ABSTAINED = Abstained(
    reason="5000 of 10000 votes for the selected class do not show that it leads",
    candidate=1,
    p_a_lower=0.48,
    tally=replace(TALLY, estimation=(4_900, 5_000, 0), invalid=100),
)
CIRCUMSTANCES = Circumstances(
    audio_sha256="cd" * 32,
    generator="numpy philox-4x64, ziggurat, float32",
    backend="torch 2.11.0",
    label=None,
    seed_source="service",
    compute=Compute(device="cpu", queue_s=0.1, run_s=1.5, samples_per_second=6_733.3),
)
CLIP = "the clip at 16000 Hz, 16000 samples, gain held fixed"
SMOOTHED = "With confidence 99.9 %, the smoothed classifier (model 'tiny' 1, noise sigma 0.0025)"


def document(
    plan: Plan = PLAN,
    facts: ClipFacts = FACTS,
    outcome: Certified | Abstained = CERTIFIED,
    circumstances: Circumstances = CIRCUMSTANCES,
    manifest: ModelManifest = MANIFEST,
) -> dict[str, Any]:
    """The certificate as JSON gives it back."""

    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is not JSON")

    text = issue(plan, manifest, facts, outcome, circumstances).model_dump_json()
    parsed: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return parsed


def plan_of(contract: ContractName, transform: TransformName = TransformName.FIXED) -> Plan:
    return replace(PLAN, contract=contract, transform=transform)
