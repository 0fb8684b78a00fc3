"""The network as ncnn computes it: torch's function, whatever the map, the channels and the other clips."""

import copy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from tests.model_folders import write_cnn
from tests.nets.changed_folders import change_weights
from tests.nets.test_cnn import seasoned
from torch import Tensor

from soundproof.nets.classifier import LogMelCnn
from soundproof.nets.folder import load
from soundproof.nets.ncnn_cnn import MOST_FEATURE, NO_MEMORY, NcnnCnn, is_bounded
from soundproof.terms import Precision

CPU = torch.device("cpu")
SPEECH, ESC = (64, 101), (64, 501)
# Relative to the largest logit: some units of float32's last place. Half precision, which ncnn likes to compute in,
# errs a thousand times as much.
TOLERANCE = 5e-6


def folded(channels: tuple[int, ...] = (32, 64, 128, 128), seed: int = 0) -> LogMelCnn:
    network = seasoned(seed, channels)
    network.cnn.fold()
    return network


def maps(clips: int, shape: tuple[int, int] = SPEECH, seed: int = 1) -> Tensor:
    return 2 * torch.randn(clips, *shape, generator=torch.Generator().manual_seed(seed)) - 3


@torch.inference_mode()
@pytest.mark.parametrize(
    ("channels", "shape"),
    [
        ((32, 64, 128, 128), SPEECH),
        ((32, 64, 128, 128), ESC),
        ((32, 64, 128, 128), (40, 49)),
        ((4,), (64, 101)),
        ((3, 5), (17, 33)),
        ((16, 7, 33), (31, 8)),
        ((2, 2, 2, 2), (16, 16)),
    ],
)
def test_its_logits_are_those_of_torch_in_float64(channels: tuple[int, ...], shape: tuple[int, int]) -> None:
    network = folded(channels)
    batch = maps(6, shape)
    exact = copy.deepcopy(network.cnn).double()(batch.double())
    found = NcnnCnn(network.cnn).logits(batch).double()
    assert float((found - exact).abs().max()) < TOLERANCE * float(exact.abs().max())
    assert float(exact.std(0).max()) > 100 * TOLERANCE * float(exact.abs().max()), "too alike to tell a fault by"


@torch.inference_mode()
def test_a_clips_logits_are_the_same_to_the_bit_in_any_batch_and_on_any_thread() -> None:
    ncnn = NcnnCnn(folded().cnn)
    batch = maps(8)
    together = ncnn.logits(batch)
    alone = torch.cat([ncnn.logits(clip) for clip in torch.split(batch, 1)])
    assert torch.equal(together, alone)
    with ThreadPoolExecutor(4) as threads:
        for found in threads.map(ncnn.logits, [batch] * 8):
            assert torch.equal(found, together)


@torch.inference_mode()
@pytest.mark.parametrize("channels", [(4, 4), (32, 64, 128, 128)], ids=str)
def test_what_ncnn_is_not_given_is_answered_by_torch_and_changes_nothing_for_the_others(
    channels: tuple[int, ...],
) -> None:
    """With few channels ncnn takes what is not a number for zero."""
    network = seasoned(channels=channels)
    network.optimize(CPU)
    assert network.ncnn is not None
    batch = maps(6)
    usual = network.head(batch)
    batch[1, 3, 4], batch[2, 5, 6], batch[4] = torch.nan, torch.inf, 2 * MOST_FEATURE
    found = network.head(batch)
    assert found[1].isnan().all(), "a vote that is not a number stays invalid"
    assert not found[2].isfinite().all()
    network.ncnn = None
    assert torch.equal(found[4], network.head(batch)[4])
    assert torch.equal(found[[0, 3, 5]], usual[[0, 3, 5]])


def test_maps_that_pooling_leaves_nothing_of_are_refused() -> None:
    ncnn = NcnnCnn(folded((3, 5)).cnn)
    for shape in ((3, 64), (64, 3)):
        with pytest.raises(ValueError, match="smaller than 4"):
            ncnn.logits(maps(1, shape))


@torch.inference_mode()
def test_ncnn_reads_the_features_and_not_the_memory_that_they_lie_in() -> None:
    ncnn = NcnnCnn(folded().cnn)
    usual = ncnn.logits(maps(3))
    assert torch.equal(ncnn.logits(maps(3).transpose(1, 2).contiguous().transpose(1, 2)), usual)
    assert torch.equal(ncnn.logits(maps(3).double()), usual)
    assert torch.equal(ncnn.logits(maps(6)[::2]), ncnn.logits(maps(6)[::2].clone()))


@torch.inference_mode()
def test_a_network_that_might_overflow_in_any_layer_is_left_to_torch(tmp_path: Path) -> None:
    assert is_bounded(folded().cnn)
    for factor in (1e31, torch.inf, torch.nan):
        for part in ("weight", "bias"):
            network = folded()
            getattr(network.cnn.linear, part).flatten()[0] = factor
            assert not is_bounded(network.cnn)
            network = folded()
            getattr(network.cnn.blocks[0][0], part).flatten()[0] = factor  # type: ignore[index]
            network.cnn.linear.weight *= 1e-37
            network.cnn.blocks[1][0].weight *= 1e-37  # type: ignore[index]
            assert not is_bounded(network.cnn), "small weights behind it do not mend an overflow"
    folder = tmp_path / "cnn"
    write_cnn(folder)
    assert "ncnn" in load(folder).backend
    change_weights(folder, lambda weights: weights["blocks.0.0.weight"].mul_(1e28))
    model = load(folder)
    assert isinstance(model.classifier, LogMelCnn)
    assert model.classifier.ncnn is None
    assert "ncnn" not in model.backend


@torch.inference_mode()
def test_bfloat16_is_torchs() -> None:
    network = seasoned()
    network.optimize(CPU)
    assert network.at(Precision.BFLOAT16).ncnn is None
    assert torch.equal(network.at(Precision.FLOAT32).head(maps(2)), network.head(maps(2)))


@pytest.mark.parametrize(("status", "raised"), [(NO_MEMORY, MemoryError), (-1, RuntimeError)])
def test_what_ncnn_could_not_compute_is_not_answered(
    status: int, raised: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Extractor:
        def input(self, *_: object) -> int:
            return 0

        def extract(self, _: str) -> tuple[int, None]:
            return status, None

    class Net:
        def create_extractor(self) -> Extractor:
            return Extractor()

    ncnn = NcnnCnn(folded((3, 5)).cnn)
    monkeypatch.setattr(ncnn, "_net", Net())
    with pytest.raises(raised, match="ncnn"):
        ncnn.logits(maps(1))


def test_ncnn_computes_in_float32_on_the_thread_that_asks() -> None:
    options = NcnnCnn(folded((3, 5)).cnn)._net.opt
    for half in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage"):
        assert not getattr(options, f"use_{half}")
    assert not options.use_winograd63_convolution
    assert options.num_threads == 1
