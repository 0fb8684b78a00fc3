"""The operators that a .pt2 program may call: pure functions of tensors and numbers, each by its overload.

A list and not the whole of torch.ops.aten, where `from_file` maps and creates files, `save` writes a pickle, and some
operators trust sizes that only their callers check: in place of those, checked.py's are run. Overloads and not whole
operators, because some of theirs are TorchScript's, which work on lists, strings and numbers of any size.
"""

import re
from collections.abc import Callable
from typing import Any

import torch
from torch._ops import OpOverload

from soundproof.errors import ModelRefused
from soundproof.nets.sizes import SIZES

# By overload; one without a point is the default one.
_PURE = """
    _assert_scalar _assert_tensor_metadata _fft_c2c _fft_c2r _fft_r2c _log_softmax
    _native_batch_norm_legit_no_training _safe_softmax _softmax _to_copy _unsafe_view abs acos acosh
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool1d adaptive_max_pool2d add.Scalar add.Tensor addbmm
    addcdiv addcmul addmm alias all all.dim all.dims amax amin aminmax any any.dim any.dims arange arange.start
    arange.start_step argmax argmin asin asinh atan atan2 atanh avg_pool1d avg_pool2d avg_pool3d baddbmm
    batch_norm bitwise_and.Scalar bitwise_and.Scalar_Tensor bitwise_and.Tensor bitwise_not bitwise_or.Scalar
    bitwise_or.Scalar_Tensor bitwise_or.Tensor bitwise_xor.Scalar bitwise_xor.Scalar_Tensor bitwise_xor.Tensor
    bmm broadcast_tensors bucketize.Scalar bucketize.Tensor cat cdist ceil celu chunk clamp clamp.Tensor
    clamp_max clamp_max.Tensor clamp_min clamp_min.Tensor clone column_stack concat concatenate constant_pad_nd
    contiguous conv1d conv1d.padding conv2d conv2d.padding conv3d conv3d.padding conv_transpose1d
    conv_transpose2d.input convolution copy cos cosh cummax cumprod cumsum detach diagonal diff div.Scalar
    div.Scalar_mode div.Tensor div.Tensor_mode dot dropout einsum elu embedding eq.Scalar eq.Tensor erf exp exp2
    expand expand_as expm1 eye eye.m fft_fft fft_ifft fft_irfft fft_rfft fill.Scalar fill.Tensor
    flatten.using_ints flip floor floor_divide floor_divide.Scalar fmod.Scalar fmod.Tensor full full_like gather
    ge.Scalar ge.Tensor gelu glu group_norm gru.input gt.Scalar gt.Tensor hamming_window hamming_window.periodic
    hamming_window.periodic_alpha hamming_window.periodic_alpha_beta hann_window hann_window.periodic hardsigmoid
    hardswish hardtanh hypot im2col imag index.Tensor index_put index_select isfinite isinf isnan kaiser_window
    kaiser_window.beta kaiser_window.periodic layer_norm le.Scalar le.Tensor leaky_relu lift_fresh_copy
    linalg_vector_norm linear linspace log log10 log1p log2 log_sigmoid log_softmax.int logaddexp logical_and
    logical_not logical_or logical_xor logsumexp lstm.input lt.Scalar lt.Tensor masked_fill.Scalar
    masked_fill.Tensor matmul max max.dim max.other max_pool1d max_pool2d max_pool2d_with_indices maximum mean
    mean.dim median median.dim min min.dim min.other minimum mish mm movedim.int movedim.intlist mul.Scalar
    mul.Tensor mv narrow native_group_norm native_layer_norm ne.Scalar ne.Tensor neg new_full new_ones new_zeros
    norm.Scalar norm.ScalarOpt_dim norm.ScalarOpt_dim_dtype norm.ScalarOpt_dtype one_hot ones ones_like outer pad
    permute pixel_shuffle pow.Scalar pow.Tensor_Scalar pow.Tensor_Tensor prelu prod prod.dim_int real reciprocal
    reflection_pad1d reflection_pad2d relu relu6 remainder.Scalar remainder.Scalar_Tensor remainder.Tensor repeat
    repeat_interleave.self_int replication_pad1d replication_pad2d reshape roll round round.decimals rsqrt
    rsub.Scalar rsub.Tensor scalar_tensor scaled_dot_product_attention scatter.reduce scatter.src scatter.value
    scatter.value_reduce scatter_add select.int select_scatter selu sigmoid sign silu sin sinc sinh slice.Tensor
    slice_scatter softmax.int softplus sort sort.stable split.Tensor split.sizes split_with_sizes sqrt square
    squeeze squeeze.dim squeeze.dims stack std std.correction std.dim stft stft.center sub.Scalar sub.Tensor sum
    sum.dim_IntList swapaxes sym_constrain_range sym_constrain_range_for_size sym_numel sym_size.int t
    take_along_dim tan tanh threshold tile to.device to.dtype to.other topk transpose.int tril triu trunc type_as
    unbind.int unflatten.int unfold unsqueeze upsample_bilinear2d upsample_bilinear2d.vec upsample_linear1d
    upsample_linear1d.vec upsample_nearest1d upsample_nearest1d.vec upsample_nearest2d upsample_nearest2d.vec var
    var.correction var.dim var_mean var_mean.correction var_mean.dim view view.dtype view_as view_as_complex
    view_as_real where where.Scalar where.ScalarOther where.ScalarSelf where.self zeros zeros_like
"""
ATEN = frozenset(name if "." in name else f"{name}.default" for name in _PURE.split())
# What is random, or looks across the batch, unless an argument says otherwise; the argument must be this constant.
HELD: dict[str, tuple[str, object]] = {
    "batch_norm": ("training", False),
    "dropout": ("train", False),
    "gru": ("train", False),
    "lstm": ("train", False),
    "scaled_dot_product_attention": ("dropout_p", 0.0),
}
_ATEN_TARGET = re.compile(r"torch\.ops\.aten\.([a-z0-9_]+)\.([A-Za-z0-9_]+)")


def resolve(target: str) -> Callable[..., Any]:
    """The function that `target` names: an OpOverload, or arithmetic on sizes. ModelRefused for any not listed.

    >>> resolve("torch.ops.aten.relu.default")
    <OpOverload(op='aten.relu', overload='default')>
    """
    if target in SIZES:
        return SIZES[target]
    match = _ATEN_TARGET.fullmatch(target)
    if not match or f"{match[1]}.{match[2]}" not in ATEN:
        raise ModelRefused(
            f"the program calls {target[:100]!r}, which is not among the operators that are run here.",
            "Those are the pure public functions of torch.ops.aten, as torch.export.export(...).run_decompositions({}) "
            "leaves them; a custom operator is code, and none is run.",
        )
    packet = getattr(torch.ops.aten, match[1], None)
    if packet is None or match[2] not in packet.overloads():
        raise ModelRefused(f"this version of torch has no operator {target!r}.")
    overload: OpOverload = getattr(packet, match[2])
    return overload
