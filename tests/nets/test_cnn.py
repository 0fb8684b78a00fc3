"""The paper's network: its shape, and that what is done to it for speed does not change its answers."""

import copy

import pytest
import torch
from torch import Tensor, nn

from soundproof.nets.classifier import LogMelCnn
from soundproof.nets.cnn import Cnn
from soundproof.nets.specs import CnnSpec, LogMelSpec

CLASSES = 12
FEATURES = (64, 101)
# Relative to the largest logit: float32 sums in another order.
TOLERANCE = 1e-4


def seasoned(seed: int = 0, channels: tuple[int, ...] = CnnSpec().channels) -> LogMelCnn:
    """A network whose batch norms have something to fold: random statistics and scales, negative ones too."""
    torch.manual_seed(seed)
    network = LogMelCnn(CnnSpec(channels=channels), LogMelSpec(), 16_000, CLASSES)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.normal_(0.0, 0.5)
            norm.running_var.uniform_(0.2, 3.0)
            nn.init.normal_(norm.weight, 0.5, 1.0)
            nn.init.normal_(norm.bias, 0.0, 0.5)
    return network.eval()


def features(clips: int, seed: int = 1) -> Tensor:
    return 2 * torch.randn(clips, *FEATURES, generator=torch.Generator().manual_seed(seed)) - 3


def scale(logits: Tensor) -> float:
    return float(logits.abs().max())


@torch.inference_mode()
def test_folding_and_channels_last_do_not_change_the_logits() -> None:
    network = seasoned()
    optimized = copy.deepcopy(network)
    optimized.optimize(torch.device("cpu"))
    batch = features(8)
    before, after = network.head(batch), optimized.head(batch)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in optimized.modules())
    assert float((before - after).abs().max()) < TOLERANCE * scale(before)
    assert float(before.std(dim=0).min()) > 10 * TOLERANCE * scale(before), "too alike to tell a fault by"


@torch.inference_mode()
def test_the_batch_norms_matter_to_the_test_above() -> None:
    network = seasoned()
    forgetful = copy.deepcopy(network)
    for norm in forgetful.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.reset_running_stats()
    batch = features(8)
    assert float((network.head(batch) - forgetful.head(batch)).abs().max()) > 0.1 * scale(network.head(batch))


@torch.inference_mode()
def test_an_optimized_network_answers_the_same_twice() -> None:
    """No dropout and no running statistics are left on."""
    network = seasoned().train()
    network.optimize(torch.device("cpu"))
    batch = features(4)
    assert torch.equal(network.head(batch), network.head(batch))


@torch.inference_mode()
@pytest.mark.parametrize("optimized", [False, True])
def test_a_clips_logits_do_not_depend_on_its_batch(optimized: bool) -> None:
    network = seasoned()
    if optimized:
        network.optimize(torch.device("cpu"))
    batch = features(5)
    batch[2] *= 100
    together = network.head(batch)
    for i in range(5):
        alone = network.head(batch[i : i + 1])[0]
        assert float((alone - together[i]).abs().max()) < TOLERANCE * scale(together[i])


def test_the_channels_are_those_of_the_paper() -> None:
    convolutions = [part for part in Cnn(CLASSES).modules() if isinstance(part, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels) for c in convolutions] == [(1, 32), (32, 64), (64, 128), (128, 128)]
    assert {c.kernel_size for c in convolutions} == {(3, 3)}
    assert CnnSpec().channels == (32, 64, 128, 128)


def test_each_block_halves_the_map() -> None:
    with torch.inference_mode():
        maps = Cnn(CLASSES).eval().blocks(features(1).unsqueeze(1))
    assert maps.shape == (1, 128, 64 // 16, 101 // 16)


def test_the_network_has_242_156_parameters() -> None:
    convolutions = 9 * (1 * 32 + 32 * 64 + 64 * 128 + 128 * 128)
    norms = 2 * (32 + 64 + 128 + 128)
    linear = 128 * CLASSES + CLASSES
    assert sum(p.numel() for p in Cnn(CLASSES).parameters()) == convolutions + norms + linear == 242_156
