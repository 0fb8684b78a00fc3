"""Operators of torch that trust sizes which only their callers check, with those checks made here.

By themselves they read, and some write, beyond their tensors' memory. Each takes what the operator takes, by the names
of its schema. ValueError for sizes that do not fit together.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

MOST_ELEMENTS = 1 << 40
MOST_LAYERS = 1000


def batch_norm_of_known_statistics(  # noqa: PLR0913  (the operator's own, here and below)
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    eps: float,
) -> tuple[Tensor, None, None]:
    """_native_batch_norm_legit_no_training, into which exports turn batch norm, by the operator that checks sizes."""
    normed: Tensor = torch.ops.aten.batch_norm(
        input, weight, bias, running_mean, running_var, False, momentum, eps, True
    )
    return normed, None, None


def group_norm(  # noqa: PLR0913
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    N: int,  # noqa: N803
    C: int,  # noqa: N803
    HxW: int,  # noqa: N803
    group: int,
    eps: float,
) -> tuple[Tensor, None, None]:
    """native_group_norm, by the operator that checks its groups, its weight and its bias."""
    _hold(input.ndim > 1 and (N, C, HxW) == (*input.shape[:2], math.prod(input.shape[2:])), "native_group_norm")
    for part in (weight, bias):
        _hold(part is None or tuple(part.shape) == (C,), "native_group_norm")
    normed: Tensor = torch.ops.aten.group_norm(input, group, weight, bias, eps, True)
    return normed, None, None


def lstm(  # noqa: PLR0913
    input: Tensor,
    hx: list[Tensor],
    params: list[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> Any:
    _hold(len(hx) == 2, "lstm")
    _hold_recurrent("lstm", 4, input, hx, params, has_biases, num_layers, bidirectional, batch_first)
    return torch.ops.aten.lstm.input(
        input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first
    )


def gru(  # noqa: PLR0913
    input: Tensor,
    hx: Tensor,
    params: list[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> Any:
    _hold_recurrent("gru", 3, input, [hx], params, has_biases, num_layers, bidirectional, batch_first)
    return torch.ops.aten.gru.input(
        input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first
    )


def _hold_recurrent(  # noqa: PLR0913
    name: str,
    gates: int,
    batch: Tensor,
    states: list[Tensor],
    params: list[Tensor],
    has_biases: bool,
    layers: int,
    bidirectional: bool,
    batch_first: bool,
) -> None:
    """Every weight and state as torch.nn makes them, without projections."""
    _hold(batch.ndim == 3 and 0 < layers <= MOST_LAYERS and states[0].ndim == 3, name)
    directions = 2 if bidirectional else 1
    size, hidden = batch.shape[2], states[0].shape[2]
    expected: list[tuple[int, ...]] = []
    for layer in range(layers):
        inputs = hidden * directions if layer else size
        biases = [(gates * hidden,)] * 2 if has_biases else []
        expected += [(gates * hidden, inputs), (gates * hidden, hidden), *biases] * directions
    state = (layers * directions, batch.shape[0 if batch_first else 1], hidden)
    _hold(0 not in batch.shape and hidden > 0, name)
    _hold([tuple(part.shape) for part in params] == expected, name)
    _hold(all(tuple(part.shape) == state for part in states), name)
    _hold(all((part.dtype, part.device) == (batch.dtype, batch.device) for part in (*states, *params)), name)


def repeat_interleave(
    self: Tensor,
    repeats: int,
    dim: int | None = None,
    output_size: int | None = None,  # noqa: ARG001
) -> Tensor:
    """`output_size` is what a caller promises the result to be, and is not needed."""
    _hold(0 <= repeats <= MOST_ELEMENTS and self.numel() * repeats <= MOST_ELEMENTS, "repeat_interleave")
    repeated: Tensor = torch.ops.aten.repeat_interleave.self_int(self, repeats, dim)
    return repeated


def max_pool1d(  # noqa: PLR0913
    self: Tensor,
    kernel_size: list[int],
    stride: list[int] | tuple[()] = (),
    padding: list[int] | tuple[int] = (0,),
    dilation: list[int] | tuple[int] = (1,),
    ceil_mode: bool = False,
) -> Tensor:
    """A window of more than the clip and its padding is not looked at cell by cell for years."""
    _hold(self.ndim > 1, "max_pool1d")
    longest = 2 * self.shape[-1]
    _hold(all(1 <= size <= longest for size in kernel_size) and all(0 <= p <= longest for p in padding), "max_pool1d")
    pooled: Tensor = torch.ops.aten.max_pool1d(self, kernel_size, stride, padding, dilation, ceil_mode)
    return pooled


def _fft(name: str) -> Callable[..., Tensor]:
    """_fft_c2c and its like, for axes that are there and distinct."""
    operator = getattr(torch.ops.aten, name).default

    def checked(self: Tensor, dim: list[int], normalization: int, last: Any) -> Tensor:
        axes = [axis % self.ndim for axis in dim if -self.ndim <= axis < self.ndim]
        _hold(0 < len(axes) == len(dim) == len(set(axes)) and normalization in (0, 1, 2), name)
        transformed: Tensor = operator(self, axes, normalization, last)
        return transformed

    return checked


def _hold(fits: bool, name: str) -> None:
    if not fits:
        raise ValueError(f"{name} is called with sizes that do not fit together")


# What is run in the operator's place, by its name in a program.
CHECKED: dict[str, Callable[..., Any]] = {
    "_fft_c2c.default": _fft("_fft_c2c"),
    "_fft_c2r.default": _fft("_fft_c2r"),
    "_fft_r2c.default": _fft("_fft_r2c"),
    "_native_batch_norm_legit_no_training.default": batch_norm_of_known_statistics,
    "gru.input": gru,
    "lstm.input": lstm,
    "max_pool1d.default": max_pool1d,
    "native_group_norm.default": group_norm,
    "repeat_interleave.self_int": repeat_interleave,
}
