"""Sample-rate conversion in float64, and an upper bound of what it can do to an l2 norm."""

import cmath
import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torchaudio.transforms import Resample

from soundproof.audio.waveform import Samples
from soundproof.errors import UnsupportedRate

# A ratio such as 44,101 : 16,000 makes a kernel of 700 million taps; allowed rates stay below half a million.
_MAX_KERNEL_TAPS = 1 << 22
# Output frames computed at a time: bounds the memory of the convolution, whatever the clip's length.
_CHUNK_FRAMES = 1 << 14
_NORM_SLACK = 1e-4


def resampled_frames(frames: int, orig_hz: int, new_hz: int) -> int:
    """Frames after the conversion: ceil(frames * new_hz / orig_hz)."""
    return -(-frames * new_hz // orig_hz)


def resample(  # noqa: PLR0913
    samples: Samples, orig_hz: int, new_hz: int, start: int, stop: int, *, mono: bool = False
) -> Tensor:
    """Output frames [start, stop) of torchaudio's windowed-sinc resampler (its defaults), a linear map per channel.

    `samples`: (channels, frames); the result: (channels, stop - start) float64, or (1, stop - start) of the channels'
    mean if `mono`. The mean is taken before the filters, where it is exact: channels that cancel leave zeros, not the
    filters' rounding errors. Only the input frames that reach the wanted output are touched, a bounded number at a
    time. Raises UnsupportedRate if the rates have no short ratio.
    """
    if orig_hz == new_hz:
        return _exact(samples[:, start:stop], mono)
    resampler = _resampler(orig_hz, new_hz)
    firsts = range(start, stop, _CHUNK_FRAMES)
    pieces = [_window(samples, resampler, i, min(i + _CHUNK_FRAMES, stop), mono) for i in firsts]
    return torch.cat(pieces, dim=-1)


def _exact(samples: Samples, mono: bool) -> Tensor:
    exact = samples.astype(np.float64)
    return torch.from_numpy(exact.mean(axis=0, keepdims=True) if mono else exact)


def _window(samples: Samples, resampler: Resample, start: int, stop: int, mono: bool) -> Tensor:
    """The filters repeat every `orig` input and `new` output frames, so the input is cut at whole periods."""
    orig, new = resampler.orig_freq // resampler.gcd, resampler.new_freq // resampler.gcd
    reach = -(-resampler.width // orig)  # periods of input that a filter reaches beyond its own
    first, last = max(start // new - reach, 0), -(-stop // new) + reach
    resampled: Tensor = resampler(_exact(samples[:, first * orig : last * orig], mono))
    return resampled[:, start - first * new : stop - first * new]


@lru_cache(maxsize=64)
def _resampler(orig_hz: int, new_hz: int) -> Resample:
    gcd = math.gcd(orig_hz, new_hz)
    if (orig_hz // gcd) * (new_hz // gcd) > _MAX_KERNEL_TAPS:
        raise UnsupportedRate(
            f"{orig_hz:,} Hz cannot be converted to the model's {new_hz:,} Hz: the two rates have no short ratio.",
            "Convert the file to a common rate, for example 16,000 or 44,100 Hz.",
        )
    return Resample(orig_hz, new_hz, dtype=torch.float64)


@lru_cache(maxsize=64)
def operator_norm(orig_hz: int, new_hz: int) -> float:
    """An upper bound, at most 0.01 % above it, of the l2 operator norm of `resample` on clips of any length.

    The resampler is y_m = sum_b K_b x_{m+b} over blocks of `orig` input and `new` output frames, so on infinite signals
    ||A||^2 is the supremum over theta of lambda_max(G), G = S S^H, S(theta) = sum_b K_b e^{i b theta} its symbol.
    Zero padding a finite clip and keeping a part of the output only lower the norm.

    A grid alone would bound the supremum from below. Let u be the top eigenvector of G at theta*, where the supremum M
    is reached. p(theta) = u^H G(theta) u is a real trigonometric polynomial of degree D = (number of b) - 1 with
    0 <= p <= M = p(theta*). M. Riesz's inequality (Jahresber. DMV 23, 1914, 354-368: a polynomial q of degree D with
    |q| <= q(theta*) has q(theta) >= q(theta*) cos(D (theta - theta*)) up to pi/D from theta*), applied to q = p - M/2,
    gives p(theta) >= M cos^2(D (theta - theta*) / 2). One of N >= D equispaced nodes lies within pi/N of theta*, so the
    square root of the largest lambda_max(G) over the nodes, divided by cos(pi D / (2 N)), is at least ||A||.
    (p >= 0 gives the half angle; without it this is Ehlich and Zeller's 1 / cos(pi D / N), Math. Z. 86, 1964, 41-44.)
    """
    if orig_hz == new_hz:
        return 1.0
    gram = _gram_blocks(_resampler(orig_hz, new_hz))
    degree = len(gram) - 1
    nodes = math.ceil(math.pi / 2 * degree / math.acos(1 / (1 + _NORM_SLACK / 2)))
    # G(-theta) is the conjugate of G(theta) and has its eigenvalues: half of the circle is enough.
    ceiling = 0.0
    for node in range(nodes // 2 + 1):
        symbol = _gram(gram, 2 * math.pi * node / nodes)
        if not _all_eigenvalues_below(symbol, ceiling):
            ceiling = _top_eigenvalue(symbol) * (1 + _NORM_SLACK)
    rounding = 1 + 1e-9
    return math.sqrt(ceiling) / math.cos(math.pi * degree / (2 * nodes)) * rounding


def _gram_blocks(resampler: Resample) -> list[Tensor]:
    """G_0 .. G_D, square, real, float64, with G(theta) = G_0 + sum_d (G_d e^{i d theta} + G_d^T e^{-i d theta}).

    Of S S^H and S^H S, which share their nonzero eigenvalues, the smaller.
    """
    kernel: Tensor = resampler.kernel[:, 0]  # (new, taps)
    orig = resampler.orig_freq // resampler.gcd
    new, taps = kernel.shape
    blocks = -(-taps // orig)
    padded = torch.nn.functional.pad(kernel, (0, blocks * orig - taps))
    parts = padded.reshape(new, blocks, orig).transpose(0, 1)  # (blocks, new, orig): K_b, counted from the first tap
    if orig < new:
        parts = parts.mT
    return [(parts[d:] @ parts[: blocks - d].mT).sum(dim=0) for d in range(blocks)]


def _gram(blocks: list[Tensor], theta: float) -> Tensor:
    half = blocks[0] / 2 + sum(cmath.exp(1j * d * theta) * block for d, block in enumerate(blocks) if d > 0)
    return half + half.mH


def _all_eigenvalues_below(symbol: Tensor, ceiling: float) -> bool:
    """Whether ceiling - G has a Cholesky factor: several times cheaper than its eigenvalues, which change little."""
    rest = ceiling * torch.eye(len(symbol), dtype=symbol.dtype) - symbol
    return int(torch.linalg.cholesky_ex(rest).info) == 0


def _top_eigenvalue(symbol: Tensor) -> float:
    return float(torch.linalg.eigvalsh(symbol)[-1])
