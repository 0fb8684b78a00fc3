"""The same engine on a CUDA device; skipped without one."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import BUNDLED, YES
from tests.engine.conftest import SAMPLES
from tests.engine.running import Watch, plan_for, running, source_of
from tests.heard import heard
from tests.model_folders import RMS_GAIN, random_linear, write_linear
from tests.smoothing.plans import plan_with

from soundproof.audio import wav
from soundproof.audio.waveform import Waveform
from soundproof.nets.folder import load
from soundproof.nets.manifest import read_manifest
from soundproof.smoothing.contracts import WaveformContract
from soundproof.smoothing.counting import counted
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import BoundName, ContractName, NoiseName, Plan, TransformName
from soundproof.smoothing.voting import pieces

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]


async def test_a_linear_classifier_gets_about_the_same_votes_on_both_devices(tmp_path: Path) -> None:
    """Different noise, so equal only within sampling error: 6 standard deviations of a share of 20,000 votes."""
    write_linear(tmp_path / "linear", *random_linear(SAMPLES, classes=3), gain=RMS_GAIN)
    samples = 0.1 * np.random.default_rng(0).standard_normal((1, SAMPLES))
    waveform = Waveform(samples.astype(np.float32), 16_000)
    source = source_of(tmp_path / "linear")
    shares = []
    for device in ("cpu", "cuda:0"):
        async with running(source, Watch(), devices=(device,)) as pool:
            finished = await pool.certify(plan_for(tmp_path / "linear"), source, waveform, SAMPLES)
        assert finished.device == device
        shares.append(np.array(finished.outcome.tally.estimation) / 20_000)
    np.testing.assert_allclose(shares[0], shares[1], atol=6 * np.sqrt(2 * 0.25 / 20_000))


@pytest.mark.parametrize("noise", list(NoiseName))
@pytest.mark.parametrize("contract", list(ContractName))
async def test_the_bundled_model_says_yes_on_a_gpu_under_every_contract(
    contract: ContractName, noise: NoiseName
) -> None:
    manifest = read_manifest(BUNDLED)
    plan = Plan(
        model=manifest.name,
        model_digest=manifest.digest,
        classes=len(manifest.classes),
        contract=contract,
        transform=TransformName.FIXED,
        sigma=0.02,
        n0=100,
        n=10_000,
        alpha=0.001,
        bound=BoundName.CLOPPER_PEARSON,
        seed=1,
        clip_sha256="00",
        dimension=math.prod(manifest.feature_shape) if contract is ContractName.FEATURE else manifest.clip_samples,
        noise=noise,
    )
    async with running(source_of(BUNDLED), Watch(), devices=("cuda:0",)) as pool:
        finished = await pool.certify(plan, source_of(BUNDLED), wav.read(YES.read_bytes()), manifest.clip_samples)
        again = await pool.certify(plan, source_of(BUNDLED), wav.read(YES.read_bytes()), manifest.clip_samples)
    assert finished.outcome == again.outcome
    assert manifest.classes[int(np.argmax(finished.outcome.tally.estimation))] == "yes"


def test_a_chunk_is_computed_without_waiting_for_the_gpu() -> None:
    device = torch.device("cuda", 0)
    model = load(BUNDLED, device)
    manifest = model.manifest
    clip = heard(manifest).to(device)
    plan = plan_with(classes=len(manifest.classes), sigma=0.02, n=2_000)
    work = pieces(
        WaveformContract(model.classifier), clip.x, plan, plan.blocks(Stage.ESTIMATION), model.most_clips(device)
    )
    first = [counted(piece)[0].tolist() for piece in work]
    torch.cuda.set_sync_debug_mode("error")
    try:
        again = [counted(piece)[0] for piece in work]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert [counts.tolist() for counts in again] == first
