"""The operators that a .pt2 program may call: pure functions of tensors and numbers, each by name.

A list and not the whole of torch.ops.aten, where `from_file` maps and creates files, `save` writes a pickle, and some
private operators trust sizes that only their callers check: `_native_batch_norm_legit_no_training` reads beyond a
weight that is too short, so another stands in for it. Of a listed operator only overloads are taken that change no
argument and draw no random number.
"""

import operator
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tag, Tensor
from torch._ops import OpOverload

from soundproof.errors import ModelRefused

_PURE = """
    _assert_scalar _assert_tensor_metadata _fft_c2c _fft_c2r _fft_r2c _log_softmax
    _safe_softmax _softmax _to_copy _unsafe_view abs acos acosh adaptive_avg_pool1d adaptive_avg_pool2d
    adaptive_max_pool1d adaptive_max_pool2d add addbmm addcdiv addcmul addmm alias all amax amin aminmax any arange
    argmax argmin asin asinh atan atan2 atanh avg_pool1d avg_pool2d avg_pool3d baddbmm batch_norm bitwise_and
    bitwise_not bitwise_or bitwise_xor bmm broadcast_tensors bucketize cat cdist ceil celu chunk clamp clamp_max
    clamp_min clone column_stack concat concatenate constant_pad_nd contiguous conv1d conv2d conv3d conv_transpose1d
    conv_transpose2d convolution copy cos cosh cummax cumprod cumsum detach diagonal diff div dot dropout einsum elu
    embedding eq erf exp exp2 expand expand_as expm1 eye fft_fft fft_ifft fft_irfft fft_rfft fill flatten flip floor
    floor_divide fmod full full_like gather ge gelu glu group_norm gru gt hamming_window hann_window hardsigmoid
    hardswish hardtanh hypot im2col imag index index_put index_select isfinite isinf isnan kaiser_window layer_norm le
    leaky_relu lift_fresh_copy linalg_vector_norm linear linspace log log10 log1p log2 log_sigmoid log_softmax
    logaddexp logical_and logical_not logical_or logical_xor logsumexp lstm lt masked_fill matmul max max_pool1d
    max_pool2d max_pool2d_with_indices maximum mean median min minimum mish mm movedim mul mv narrow
    native_group_norm native_layer_norm ne neg new_full new_ones new_zeros norm one_hot ones ones_like outer pad permute
    pixel_shuffle pow prelu prod real reciprocal reflection_pad1d reflection_pad2d relu relu6 remainder repeat
    repeat_interleave replication_pad1d replication_pad2d reshape roll round rsqrt rsub scalar_tensor
    scaled_dot_product_attention scatter scatter_add select select_scatter selu sigmoid sign silu sin sinc sinh slice
    slice_scatter softmax softplus sort split split_with_sizes sqrt square squeeze stack std stft sub sum swapaxes
    sym_constrain_range sym_constrain_range_for_size sym_numel sym_size t take_along_dim tan tanh threshold tile to
    topk transpose tril triu trunc type_as unbind unflatten unfold unsqueeze upsample_bilinear2d upsample_linear1d
    upsample_nearest1d upsample_nearest2d var var_mean view view_as view_as_complex view_as_real where zeros
    zeros_like
"""
ATEN = frozenset(_PURE.split())
# What is random, or looks across the batch, unless an argument says otherwise; the argument must be this constant.
HELD: dict[str, tuple[str, object]] = {
    "batch_norm": ("training", False),
    "dropout": ("train", False),
    "gru": ("train", False),
    "lstm": ("train", False),
    "scaled_dot_product_attention": ("dropout_p", 0.0),
}


def batch_norm_of_known_statistics(  # noqa: PLR0913  (the operator's own)
    batch: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    momentum: float,
    epsilon: float,
) -> tuple[Tensor, None, None]:
    """_native_batch_norm_legit_no_training, into which exports turn batch norm, by the operator that checks sizes."""
    normed: Tensor = torch.ops.aten.batch_norm(batch, weight, bias, mean, variance, False, momentum, epsilon, True)
    return normed, None, None


# Arithmetic on sizes. No power: its result can be larger than any memory.
SIZES: dict[str, Callable[..., Any]] = {
    "_operator.add": operator.add,
    "_operator.eq": operator.eq,
    "_operator.floordiv": operator.floordiv,
    "_operator.ge": operator.ge,
    "_operator.gt": operator.gt,
    "_operator.le": operator.le,
    "_operator.lt": operator.lt,
    "_operator.mod": operator.mod,
    "_operator.mul": operator.mul,
    "_operator.ne": operator.ne,
    "_operator.neg": operator.neg,
    "_operator.sub": operator.sub,
    "_operator.truediv": operator.truediv,
}
CHECKED: dict[str, Callable[..., Any]] = {
    "torch.ops.aten._native_batch_norm_legit_no_training.default": batch_norm_of_known_statistics,
}
_ATEN_TARGET = re.compile(r"torch\.ops\.aten\.([a-z0-9_]+)\.([A-Za-z0-9_]+)")


def resolve(target: str) -> Callable[..., Any]:
    """The function that `target` names: an OpOverload, or one of here. ModelRefused for any that is not listed.

    >>> resolve("torch.ops.aten.relu.default")
    <OpOverload(op='aten.relu', overload='default')>
    """
    if target in SIZES:
        return SIZES[target]
    if target in CHECKED:
        return CHECKED[target]
    match = _ATEN_TARGET.fullmatch(target)
    if not match or match[1] not in ATEN:
        raise ModelRefused(
            f"the program calls {target[:100]!r}, which is not among the operators that are run here.",
            "Those are the pure public functions of torch.ops.aten, as torch.export.export(...).run_decompositions({}) "
            "leaves them; a custom operator is code, and none is run.",
        )
    packet = getattr(torch.ops.aten, match[1], None)
    if packet is None or match[2] not in packet.overloads():
        raise ModelRefused(f"this version of torch has no operator {target!r}.")
    overload: OpOverload = getattr(packet, match[2])
    if overload._schema.is_mutable:
        raise ModelRefused(
            f"the program calls {target!r}, which changes its argument in place.",
            "Export it with torch.export.export(...).run_decompositions({}), which leaves no such call.",
        )
    if Tag.nondeterministic_seeded in overload.tags and match[1] not in HELD:
        raise ModelRefused(f"the program calls {target!r}, which draws random numbers.")
    return overload
