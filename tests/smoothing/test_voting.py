"""The inner loop: votes and geometry are those of the addressed noise, whatever the chunks."""

import math

import numpy as np
import pytest
import torch
from tests.conftest import BUNDLED
from tests.heard import heard
from tests.model_folders import RMS_GAIN
from tests.smoothing.clips import Floats, NanAbove, Sawtooth, linear, prepared
from tests.smoothing.lattices import block_noise
from tests.smoothing.plans import plan_with
from torch import Tensor

from soundproof.audio.prepare import Prepared
from soundproof.nets.chunk import FEW_CLIPS, MOST_VALUES, chunk_clips, chunk_for, chunk_sizes
from soundproof.nets.classifier import Classifier, Linear
from soundproof.nets.folder import load
from soundproof.smoothing.certification import Votes
from soundproof.smoothing.contracts import centre, contract_for
from soundproof.smoothing.lanes import Lanes
from soundproof.smoothing.lattice_noise import snap
from soundproof.smoothing.noise import GROUP_SAMPLES
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import Block, ContractName, NoiseName, Plan, TransformName
from soundproof.smoothing.voting import geometry, pieces, vote, vote_all

SAMPLES, CLASSES, SIGMA = 500, 3, 0.5
CLIP = prepared(np.random.default_rng(0).standard_normal(SAMPLES), RMS_GAIN)
SELECTION = Block(Stage.SELECTION, 0, 100)
ESTIMATION = Block(Stage.ESTIMATION, 2, 128)
KINDS = [
    (ContractName.WAVEFORM, TransformName.FIXED),
    (ContractName.FEATURE, TransformName.FIXED),
    *((ContractName.POST_PROCESSED, transform) for transform in TransformName),
]


def draw(plan: Plan, classifier: Classifier, block: Block, chunk_samples: int = 64, clip: Prepared = CLIP) -> Votes:
    contract = contract_for(plan, classifier, clip)
    return vote(contract, centre(plan, contract, clip), plan, block, chunk_samples)


def noised_points(plan: Plan, block: Block) -> Floats:
    """(samples, time) float64: the clip and the noise of a block, added up here."""
    point = snap(plan.lattice, CLIP.x) if plan.lattice else CLIP.x
    points: Floats = (point + block_noise(plan, block, (SAMPLES,))).numpy()
    return points


@pytest.mark.parametrize("noise", NoiseName)
@pytest.mark.parametrize("block", [SELECTION, ESTIMATION])
def test_votes_are_the_classifiers_on_the_addressed_noise(block: Block, noise: NoiseName) -> None:
    weight = np.random.default_rng(1).standard_normal((CLASSES, SAMPLES)).astype(np.float32).astype(np.float64)
    bias = -weight @ CLIP.x.numpy()  # the clip lies where all classes meet
    plan = plan_with(noise=noise, dimension=SAMPLES)
    expected = np.argmax(noised_points(plan, block) @ weight.T + bias, axis=1)
    counts = np.bincount(expected, minlength=CLASSES)
    assert draw(plan, linear(weight, bias), block).counts == tuple(counts)
    assert counts.min() > 10, "too uniform to tell a fault by"


@pytest.mark.parametrize("noise", NoiseName)
@pytest.mark.parametrize(("name", "transform"), KINDS)
def test_votes_and_geometry_do_not_depend_on_the_chunks(
    name: ContractName, transform: TransformName, noise: NoiseName
) -> None:
    plan = plan_with(contract=name, transform=transform, noise=noise, dimension=SAMPLES)
    first, *others = (draw(plan, Sawtooth(SAMPLES, CLASSES), SELECTION, chunk) for chunk in (100, 1, 7, 64, 10_000))
    assert others == [first] * 4
    assert min(first.counts) > 3


def test_the_bundled_models_votes_do_not_depend_on_the_chunks() -> None:
    model = load(BUNDLED)
    manifest = model.manifest
    clip = heard(manifest)
    plan = plan_with(classes=len(manifest.classes), sigma=0.4)
    block = Block(Stage.SELECTION, 0, 48)
    whole, cut = (draw(plan, model.classifier, block, chunk, clip) for chunk in (48, 13))
    assert whole == cut
    assert sorted(whole.counts)[-2] > 0, "unanimous votes tell little"


def test_votes_of_several_blocks_come_in_order() -> None:
    plan, classifier = plan_with(n=300), Sawtooth(SAMPLES, CLASSES)
    contract = contract_for(plan, classifier, CLIP)
    blocks = plan.blocks(Stage.ESTIMATION)
    found = vote_all(contract, contract.anchor(CLIP), plan, blocks, 64)
    assert found == [draw(plan, classifier, block) for block in blocks]
    assert [votes.total for votes in found] == [128, 128, 44]
    assert found[0].counts != found[1].counts


@pytest.mark.parametrize("noise", NoiseName)
@pytest.mark.parametrize("count", [1, 3])
def test_votes_do_not_depend_on_the_number_of_cores(count: int, noise: NoiseName) -> None:
    plan, classifier = plan_with(n=300, noise=noise, dimension=SAMPLES), Sawtooth(SAMPLES, CLASSES)
    contract = contract_for(plan, classifier, CLIP)
    blocks = (*plan.blocks(Stage.SELECTION), *plan.blocks(Stage.ESTIMATION))
    shared = vote_all(contract, centre(plan, contract, CLIP), plan, blocks, 8, Lanes(count))
    assert shared == [draw(plan, classifier, block) for block in blocks]


def test_small_blocks_are_computed_together_as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """There a block is drawn at once and several fill a chunk; the votes are still each block's own."""
    monkeypatch.setitem(GROUP_SAMPLES, "cpu", 10_000)
    monkeypatch.setitem(MOST_VALUES, "cpu", 512 * SAMPLES)
    plan, classifier = plan_with(n0=40, n=600), Sawtooth(SAMPLES, CLASSES)
    contract = contract_for(plan, classifier, CLIP)
    blocks = (*plan.blocks(Stage.SELECTION), *plan.blocks(Stage.ESTIMATION))
    work = pieces(contract, contract.anchor(CLIP), plan, blocks, 512)
    assert [(piece.size, [(each.block, each.samples) for each in piece.draws]) for piece in work] == [
        (128, [(0, 40)]),  # as large a chunk as the others have would be mostly padding
        (512, [(0, 128), (1, 128), (2, 128), (3, 128)]),
        (512, [(4, 88)]),
    ]
    found = vote_all(contract, contract.anchor(CLIP), plan, blocks, 512)
    assert found == [draw(plan, classifier, block, 16) for block in blocks]
    assert [votes.geometry.samples for votes in found] == [40, 0, 0, 0, 0, 0]


def test_the_stage_the_seed_and_the_kind_of_noise_give_other_votes() -> None:
    classifier = Sawtooth(SAMPLES, CLASSES)
    counts = {
        draw(plan, classifier, Block(stage, index, 1_000)).counts
        for plan in (plan_with(), plan_with(seed=8), plan_with(noise=NoiseName.LATTICE, dimension=SAMPLES))
        for stage in (Stage.SELECTION, Stage.ESTIMATION)
        for index in (0, 1)
    }
    assert len(counts) == 12


@pytest.mark.parametrize("block", [SELECTION, ESTIMATION])
@pytest.mark.parametrize("chunk", [1, 64])
def test_votes_with_logits_that_are_not_finite_are_counted_as_invalid(block: Block, chunk: int) -> None:
    plan = plan_with()
    level = float(CLIP.x[0])
    expected = int(np.sum(noised_points(plan, block)[:, 0] > level))
    classifier = NanAbove(SAMPLES, CLASSES)
    classifier.level = level
    found = draw(plan, classifier, block, chunk)
    assert found.counts == (block.samples - expected, 0, 0)
    assert found.invalid == expected
    assert found.total == block.samples
    assert 20 < expected < 100


@pytest.mark.parametrize("noise", NoiseName)
def test_the_sum_is_rounded_to_float32_once(noise: NoiseName) -> None:
    """Not the noise and the clip each, which would put another point into the classifier's hands."""
    seen: list[Tensor] = []

    class Looking(Linear):
        def features(self, waveform: Tensor) -> Tensor:
            seen.append(waveform)
            return waveform

    plan = plan_with(sigma=0.0025, noise=noise, dimension=SAMPLES)
    draw(plan, Looking(SAMPLES, CLASSES), ESTIMATION, 128)
    met = torch.cat(seen)[: ESTIMATION.samples].numpy()
    expected = noised_points(plan, ESTIMATION).astype(np.float32)
    assert np.array_equal(met, expected)
    in_float32 = CLIP.x.float() + torch.from_numpy(expected - CLIP.x.numpy()).float()
    assert not np.array_equal(met, in_float32.numpy())


def test_nothing_is_kept_for_gradients() -> None:
    seen: list[bool] = []

    class Looking(Linear):
        def head(self, features: Tensor) -> Tensor:
            logits = super().head(features)
            seen.append(logits.is_inference())
            return logits

    draw(plan_with(), Looking(SAMPLES, CLASSES), SELECTION, 64)
    assert seen
    assert all(seen)


@pytest.mark.parametrize("n", [100, 1_000])
def test_every_batch_has_a_size_that_the_model_was_probed_at(n: int) -> None:
    """Also the last of a block: what a network does in batches of another size is nobody's business."""
    seen: list[int] = []

    class Looking(Linear):
        def head(self, features: Tensor) -> Tensor:
            seen.append(len(features))
            return super().head(features)

    for chunk_samples in (1, 4, 32, 10_000):
        seen.clear()
        block = Block(Stage.ESTIMATION, 0, 100)
        votes = draw(plan_with(n=n), Looking(SAMPLES, CLASSES), block, chunk_samples)
        assert votes.total == 100
        size = chunk_clips(torch.device("cpu"), SAMPLES, chunk_samples)
        assert set(seen) == {chunk_for(n, size)} <= chunk_sizes(size)
    assert set(seen) == ({FEW_CLIPS} if n == 100 else {size})


@pytest.mark.parametrize(("values", "clips"), [(1, 16), (16_000, 16), (80_000, 2), (256_000, 1), (10_000_000, 1)])
def test_long_clips_are_voted_on_a_few_at_a_time(values: int, clips: int) -> None:
    assert chunk_clips(torch.device("cpu"), values, 16) == clips


def test_the_geometry_is_measured_on_the_selection_votes() -> None:
    plan, classifier = plan_with(), Sawtooth(SAMPLES, CLASSES)
    assert draw(plan, classifier, SELECTION).geometry.samples == 100
    assert draw(plan, classifier, ESTIMATION).geometry.samples == 0


@pytest.mark.parametrize("noise", NoiseName)
@pytest.mark.parametrize("transform", TransformName)
def test_the_geometry_is_that_of_the_papers_formulas(transform: TransformName, noise: NoiseName) -> None:
    plan = plan_with(contract=ContractName.POST_PROCESSED, transform=transform, noise=noise, dimension=SAMPLES)
    x = CLIP.x.numpy()
    ratios = []
    for w in noised_points(plan, SELECTION):
        moved = {
            TransformName.FIXED: w,
            TransformName.RMS: w * np.linalg.norm(x) / np.linalg.norm(w),
            TransformName.CLIP: w.clip(-1, 1),
            TransformName.PEAK: w / np.abs(w).max(),
            TransformName.PEAK_CLEAN: w * np.abs(x).max() / np.abs(w).max(),
        }[transform]
        ratios.append(np.linalg.norm(moved - x) / np.linalg.norm(w - x))
    found = draw(plan, Sawtooth(SAMPLES, CLASSES), SELECTION).geometry
    assert found.effective_norm_ratio == pytest.approx(np.mean(ratios), rel=1e-6)
    assert found.d_geom == pytest.approx(np.mean(np.abs(np.array(ratios) - 1)), rel=1e-6, abs=1e-6)


def test_sums_of_ratios_are_exact() -> None:
    ratios = [1e16, 1.0, -1e16, 3.0] * 5
    assert geometry(ratios).ratio_sum == math.fsum(ratios) == 20.0
    assert geometry(ratios) == geometry(sorted(ratios))
