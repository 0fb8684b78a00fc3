"""The operators that stand in for torch's answer as they do, and refuse sizes that torch reads or writes beyond."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from soundproof.nets.checked import CHECKED

ATEN = torch.ops.aten
BATCH = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))


def test_a_group_norm_is_torchs() -> None:
    weight, bias = torch.arange(6.0), torch.ones(6)
    found, *_ = CHECKED["native_group_norm.default"](BATCH, weight, bias, 2, 6, 4, 3, 1e-5)
    assert torch.equal(found, ATEN.native_group_norm.default(BATCH, weight, bias, 2, 6, 4, 3, 1e-5)[0])


@pytest.mark.parametrize(
    ("weight", "sizes"),
    [(6, (8, 1 << 60, 2)), (6, (1, 12, 4)), (6, (2, 6, -4)), (6, (2, 6, 8)), (3, (2, 6, 4)), (0, (2, 6, 4))],
)
def test_a_group_norm_of_other_sizes_than_its_tensors_is_refused(weight: int, sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="native_group_norm is called with sizes"):
        CHECKED["native_group_norm.default"](BATCH, torch.ones(weight), None, *sizes, 1, 1e-5)


def recurrent(kind: str, layers: int, bidirectional: bool, bias: bool) -> tuple[nn.Module, Any, list[Tensor]]:
    torch.manual_seed(0)
    made: dict[str, type[nn.LSTM | nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}
    network = made[kind](4, 5, layers, bidirectional=bidirectional, bias=bias, batch_first=True)
    state = torch.zeros(layers * (1 + bidirectional), 2, 5)
    return network, [state, state] if kind == "lstm" else state, [part.detach() for part in network.parameters()]


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize(("layers", "bidirectional", "bias"), [(1, False, True), (3, True, True), (2, True, False)])
@torch.inference_mode()
def test_a_recurrent_network_is_torchs(kind: str, layers: int, bidirectional: bool, bias: bool) -> None:
    network, state, params = recurrent(kind, layers, bidirectional, bias)
    arguments = (BATCH, state, params, bias, layers, 0.0, False, bidirectional, True)
    assert torch.equal(CHECKED[f"{kind}.input"](*arguments)[0], network(BATCH)[0])


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("position", range(4))
def test_a_recurrent_network_with_a_parameter_of_another_shape_is_refused(kind: str, position: int) -> None:
    _, state, params = recurrent(kind, 1, False, True)
    short = [part[:3] if i == position else part for i, part in enumerate(params)]
    for wrong, layers in ((short, 1), (params[:-1], 1), (params, 2), (params, 0), (params, -1), ([], 1 << 40)):
        with pytest.raises(ValueError, match=f"{kind} is called with sizes"):
            CHECKED[f"{kind}.input"](BATCH, state, wrong, True, layers, 0.0, False, False, True)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_recurrent_network_with_a_state_of_another_shape_is_refused(kind: str) -> None:
    _, _, params = recurrent(kind, 1, False, True)
    for shape in ((1, 1, 5), (2, 2, 5), (2, 5), (1, 2, 4)):
        state = torch.zeros(shape)
        hx = [state, state] if kind == "lstm" else state
        with pytest.raises(ValueError, match=f"{kind} is called with sizes"):
            CHECKED[f"{kind}.input"](BATCH, hx, params, True, 1, 0.0, False, False, True)


def test_elements_are_repeated_as_often_as_said_and_not_as_promised() -> None:
    repeat = CHECKED["repeat_interleave.self_int"]
    assert torch.equal(repeat(BATCH, 3, 1, output_size=1), BATCH.repeat_interleave(3, 1))
    for repeats in (-1, 1 << 62):
        with pytest.raises(ValueError, match="repeat_interleave is called with sizes"):
            repeat(BATCH, repeats, 1)


def test_a_window_of_more_than_the_clip_is_refused() -> None:
    pool = CHECKED["max_pool1d.default"]
    assert torch.equal(pool(BATCH, [3], [2], [1]), nn.functional.max_pool1d(BATCH, 3, 2, 1))
    with pytest.raises(ValueError, match="max_pool1d is called with sizes"):
        pool(BATCH, [1 << 62], [1], [1 << 61])


@pytest.mark.parametrize("dim", [[2, 2], [1] * 50, [3], [-4], []])
def test_a_transform_over_axes_that_are_not_there_or_twice_is_refused(dim: list[int]) -> None:
    transform = CHECKED["_fft_r2c.default"]
    assert torch.equal(transform(BATCH, [-1], 0, True), torch.fft.rfft(BATCH))
    with pytest.raises(ValueError, match="_fft_r2c is called with sizes"):
        transform(BATCH, dim, 0, True)
