"""The three contracts: what is smoothed, around which point, and that nothing looks across the batch."""

import math

import numpy as np
import pytest
import torch
from tests.audio.wav_bytes import encode_pcm16
from tests.model_folders import RMS_GAIN, UNIT_GAIN
from tests.smoothing.clips import Floats, linear, prepared
from tests.smoothing.plans import plan_with
from torch import Tensor

from soundproof.audio import wav
from soundproof.audio.prepare import prepare
from soundproof.errors import InvalidPlan
from soundproof.nets.classifier import Linear, LogMelCnn
from soundproof.nets.specs import CnnSpec, LogMelSpec
from soundproof.smoothing.contracts import (
    Contract,
    FeatureContract,
    PostProcessedContract,
    WaveformContract,
    centre,
    contract_for,
)
from soundproof.smoothing.counting import INVALID, votes
from soundproof.smoothing.plan import ContractName, NoiseName, TransformName
from soundproof.terms import Gain, GainPolicy

SAMPLES, CLASSES = 600, 3
CLIP = 0.4 * np.random.default_rng(0).standard_normal(SAMPLES)


def noised(clips: int = 6, sigma: float = 0.8) -> Tensor:
    """(clips, SAMPLES) float32 noised points, one of them very loud."""
    batch = CLIP + sigma * np.random.default_rng(1).standard_normal((clips, SAMPLES))
    batch[2] *= 1e4
    return torch.from_numpy(batch).float()


def classifier() -> Linear:
    return linear(np.random.default_rng(2).standard_normal((CLASSES, SAMPLES)), np.array([0.1, 0.0, -0.1]))


def post_processed(transform: TransformName) -> Contract:
    plan = plan_with(contract=ContractName.POST_PROCESSED, transform=transform)
    return contract_for(plan, classifier(), prepared(CLIP))


def expected_transform(transform: TransformName, w: Floats) -> Floats:
    """T by the paper's definitions, for one noised waveform w: (time,) float64."""
    result: Floats
    match transform:
        case TransformName.FIXED:
            result = w
        case TransformName.RMS:
            result = w * math.sqrt(np.mean(CLIP.astype(np.float32) ** 2.0)) / math.sqrt(np.mean(w**2))
        case TransformName.CLIP:
            result = np.minimum(np.maximum(w, -1.0), 1.0)
        case TransformName.PEAK:
            result = w / np.max(np.abs(w))
        case TransformName.PEAK_CLEAN:
            result = w * np.max(np.abs(CLIP.astype(np.float32))) / np.max(np.abs(w))
    return result


@pytest.mark.parametrize("transform", TransformName)
def test_transforms_are_those_of_the_paper(transform: TransformName) -> None:
    batch = noised()
    found = post_processed(transform).effective(batch)
    assert found.dtype == torch.float32
    for w, effective in zip(batch.double().numpy(), found.double().numpy(), strict=True):
        np.testing.assert_allclose(effective, expected_transform(transform, w), rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize("transform", TransformName)
def test_transforms_treat_every_clip_by_itself(transform: TransformName) -> None:
    batch, contract = noised(), post_processed(transform)
    together = contract.effective(batch)
    for i in range(len(batch)):
        torch.testing.assert_close(contract.effective(batch[i : i + 1])[0], together[i], rtol=1e-6, atol=0)


@pytest.mark.parametrize("transform", TransformName)
def test_a_post_processed_vote_is_the_classifiers_on_the_transformed_waveform(transform: TransformName) -> None:
    batch, contract = noised(clips=40), post_processed(transform)
    transformed = np.stack([expected_transform(transform, w) for w in batch.double().numpy()])
    found = contract.decide(batch)
    assert found.dtype == torch.int64
    assert torch.equal(found, classifier()(torch.from_numpy(transformed).float()).argmax(dim=1))
    assert len(set(found.tolist())) == CLASSES, "too uniform to tell a fault by"


def test_clean_levels_are_taken_from_the_clean_clip() -> None:
    clip = prepared(CLIP, RMS_GAIN)
    plan = plan_with(contract=ContractName.POST_PROCESSED, transform=TransformName.RMS)
    contract = contract_for(plan, classifier(), clip)
    assert isinstance(contract, PostProcessedContract)
    assert contract.clean_rms == pytest.approx(1.0, rel=1e-12)
    assert contract.clean_peak == pytest.approx(float(clip.x.abs().max()))
    assert contract.clean_peak > 2


@pytest.mark.parametrize(
    ("contract", "kind"),
    [
        (ContractName.WAVEFORM, WaveformContract),
        (ContractName.FEATURE, FeatureContract),
        (ContractName.POST_PROCESSED, PostProcessedContract),
    ],
)
def test_a_plan_gets_the_contract_it_names(contract: ContractName, kind: type[Contract]) -> None:
    assert type(contract_for(plan_with(contract=contract), classifier(), prepared(CLIP))) is kind


@pytest.mark.parametrize("name", [ContractName.WAVEFORM, ContractName.POST_PROCESSED])
def test_the_point_on_the_waveform_is_the_prepared_clip_in_float64(name: ContractName) -> None:
    clip = prepared(CLIP, RMS_GAIN)
    anchor = contract_for(plan_with(contract=name), classifier(), clip).anchor(clip)
    assert anchor.dtype == torch.float64
    assert torch.equal(anchor, clip.x)


def test_the_point_among_features_is_the_front_ends_answer_to_the_clean_clip() -> None:
    network = LogMelCnn(CnnSpec(channels=(4,)), LogMelSpec(), 16_000, CLASSES).eval()
    clip = prepared(np.random.default_rng(3).standard_normal(16_000), RMS_GAIN)
    anchor = FeatureContract(network).anchor(clip)
    assert anchor.shape == (64, 101)
    assert anchor.dtype == torch.float64
    assert torch.equal(anchor.float(), network.log_mel(clip.x.float()[None])[0])


def test_noise_on_features_never_meets_the_front_end() -> None:
    class NoFrontEnd(Linear):
        def features(self, waveform: Tensor) -> Tensor:
            raise AssertionError("the front end was asked")

    network = NoFrontEnd(SAMPLES, CLASSES)
    network.load_state_dict(classifier().state_dict())
    batch = noised()
    assert torch.equal(FeatureContract(network).decide(batch), classifier()(batch).argmax(dim=1))
    assert torch.equal(FeatureContract(network).effective(batch), batch)


@pytest.mark.parametrize("fault", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_vote_with_a_logit_that_is_not_finite_is_invalid(fault: float, place: int) -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0], [1.0, 3.0, 2.0], [5.0, 3.0, 2.0]])
    logits[1, place] = fault
    assert votes(logits).tolist() == [1, INVALID, 0]


def test_equal_logits_vote_for_the_lowest_class() -> None:
    assert votes(torch.tensor([[2.0, 2.0, 1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 2.0]])).tolist() == [0, 0, 1]


def test_huge_finite_logits_are_valid() -> None:
    assert votes(torch.tensor([[3e38, -3e38, 0.0]])).tolist() == [0]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("sigma", [0.0025, 0.5, 16.0])
def test_a_16_bit_clip_without_gain_is_certified_on_the_lattice_exactly_where_it_is(
    channels: int, sigma: float
) -> None:
    """From the file's bytes to the point that the noise is drawn around, which is the clip's very numbers."""
    steps = np.random.default_rng(5).integers(-32_768, 32_768, (channels, SAMPLES))
    waveform = wav.read(encode_pcm16((steps / 32_768).astype(np.float32), 16_000))
    clip = prepare(waveform, sample_rate_hz=16_000, clip_samples=SAMPLES, gain=UNIT_GAIN)
    plan = plan_with(noise=NoiseName.LATTICE, dimension=SAMPLES, sigma=sigma)
    point = centre(plan, contract_for(plan, classifier(), clip), clip)
    assert torch.equal(point, clip.x)
    assert torch.equal(point, torch.from_numpy(steps.mean(axis=0) / 32_768))


def test_with_a_gain_the_point_is_the_nearest_of_the_lattice() -> None:
    clip = prepared(CLIP, RMS_GAIN)
    on_lattice, plain = (plan_with(noise=n, dimension=SAMPLES) for n in (NoiseName.LATTICE, NoiseName.FLOAT))
    point = centre(on_lattice, contract_for(on_lattice, classifier(), clip), clip)
    moved = float(torch.linalg.vector_norm(point - clip.x))
    assert 0 < 2 * moved < on_lattice.slack.distance
    assert torch.equal(centre(plain, contract_for(plain, classifier(), clip), clip), clip.x)


def test_a_clip_too_loud_for_its_noise_is_refused_with_what_to_do() -> None:
    plan = plan_with(noise=NoiseName.LATTICE, dimension=SAMPLES, sigma=1e-6)
    loud = prepared(CLIP, Gain(GainPolicy.PEAK, 1e4))
    with pytest.raises(InvalidPlan, match=r"too small.*larger sigma, or for noise 'float'"):
        centre(plan, contract_for(plan, classifier(), loud), loud)


def test_a_plan_of_another_dimension_is_not_voted_on() -> None:
    """Its slack would be that of another point."""
    plan = plan_with(noise=NoiseName.LATTICE, dimension=SAMPLES - 1)
    with pytest.raises(ValueError, match="600 numbers and the plan 599"):
        centre(plan, contract_for(plan, classifier(), prepared(CLIP)), prepared(CLIP))
