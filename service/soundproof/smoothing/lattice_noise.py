"""Gaussian noise rounded to a lattice: the same address is the same noise, up to the last bit, on every CPU.

What lattice.py states is computed here. Everything is a multiple of the step, which is a power of two, held in float64
and below 2^53 steps: such numbers are added and scaled without error.
"""

import hashlib
from decimal import Decimal, localcontext

import numpy as np
import torch
from torch import Tensor

from soundproof.errors import InvalidPlan
from soundproof.smoothing.lattice import Lattice
from soundproof.smoothing.noise import GROUP_SAMPLES
from soundproof.smoothing.noise_address import Stage
from soundproof.stats.normal_tail import upper_tail

# What `torch.special.ndtri` may err by for tails from 2^-65 to 1/2. Its source, Cephes, states a relative error of
# 7.2e-16, which is below 2^-47 for quantiles of at most 9.2; rounding the tail, and the steps, adds less than 2^-48.
QUANTILE_ERROR = 2.0**-42
# Steps from 0: far above any noise (2^25), and sums stay below 2^53.
FURTHEST = 2.0**52
_NOT_THE_SIGN = 2**63 - 1
# Words at a time, by device type: on a CPU what they take stays in its caches, on a GPU it is under a gigabyte.
_PIECE = {"cpu": 1 << 15, "cuda": 1 << 24}


def generator_name(device: torch.device) -> str:
    """What draws the noise on `device`: two devices of one name draw the same noise from the same address."""
    if device.type == "cpu":
        return f"numpy philox-4x64, 64-bit inversion, rounded to the lattice, groups of {GROUP_SAMPLES['cpu']}"
    return f"torch philox-4x32, 64-bit inversion, rounded to the lattice, on {torch.cuda.get_device_name(device)}"


def snap(lattice: Lattice, point: Tensor) -> Tensor:
    """The lattice point nearest to `point`, both float64: what the votes are drawn around.

    Never minus zero, and so neither is any sum with noise: of the two zeros a classifier could tell which it was.
    Raises InvalidPlan where the noise is so small beside the point that float64 does not hold the point in steps.
    """
    steps = (point / lattice.step).round()
    if not bool((steps.abs() <= FURTHEST).all()):
        raise InvalidPlan(
            f"sigma {lattice.sigma:g} is too small beside the clip for lattice noise.",
            "Ask for a larger sigma, or for noise 'float'.",
        )
    return steps * lattice.step + 0.0


def lattice_normal(lattice: Lattice, words: Tensor) -> Tensor:
    """N(0, sigma^2) rounded to the lattice, one draw for each of `words`: float64, shape of `words`.

    Such a draw and a point from `snap` are added exactly in float64.
    """
    return rounded_normal(words, lattice.steps_per_sigma).mul_(lattice.step)


def uniform_words(  # noqa: PLR0913
    key: bytes, stage: Stage, block: int, shape: tuple[int, ...], device: torch.device | str = "cpu", group: int = 0
) -> Tensor:
    """Uniform 64-bit words, shape `shape`, int64, on `device`, by the generators and addresses of
    noise.standard_normal."""
    device = torch.device(device)
    if device.type == "cpu":
        counter = np.array([0, group, block, int(stage)], dtype=np.uint64)
        bits = np.random.Philox(key=int.from_bytes(key, "little"), counter=counter)
        return torch.from_numpy(bits.random_raw(shape).view(np.int64))
    address = b"".join(part.to_bytes(8, "little") for part in (int(stage), block, group))
    seed = hashlib.sha256(key + address).digest()
    generator = torch.Generator(device).manual_seed(int.from_bytes(seed[:8], "little", signed=True))
    return torch.empty(shape, dtype=torch.int64, device=device).random_(-(2**63), None, generator=generator)


def rounded_normal(words: Tensor, steps_per_sigma: float) -> Tensor:
    """The integer round(s N) of each word's normal number N, s = `steps_per_sigma`: float64, shape of `words`.

    A word is a sign and 63 bits v; |N| is the point whose upper tail Q is (v + 1/2) 2^-64. So the result is defined by
    the word alone: the largest k with (v + 1/2) 2^-64 <= Q((k - 1/2) / s), signed. The quantile is computed in float64;
    where it lies so near to a middle between two integers that its error might decide, `_reaches` does.
    For 0 < s <= 2^30: beyond, such places are too many.
    """
    result = torch.empty(words.shape, dtype=torch.float64, device=words.device)
    piece = _PIECE[words.device.type]
    for part, out in zip(torch.split(words.flatten(), piece), torch.split(result.view(-1), piece), strict=True):
        _round(part, steps_per_sigma, out)
    return result


def _round(words: Tensor, steps_per_sigma: float, out: Tensor) -> None:
    """rounded_normal of (words,), written to `out`: (words,) float64."""
    sign = words >> 63  # 0, or -1 for a negative word
    tail = (words & _NOT_THE_SIGN).double().add_(0.5).mul_(2.0**-64)
    height = torch.special.ndtri(tail, out=tail).mul_(-steps_per_sigma).add_(0.5)
    torch.floor(height, out=out)
    fraction = height.sub_(out)
    doubtful = (fraction - 0.5).abs_() > 0.5 - QUANTILE_ERROR * steps_per_sigma
    for place in doubtful.nonzero().flatten().tolist():
        nearest = int(out[place]) + round(float(fraction[place]))
        out[place] = nearest if _reaches(int(words[place]), nearest, steps_per_sigma) else nearest - 1
    out.mul_(sign.mul_(2).add_(1))


def _reaches(word: int, steps: int, steps_per_sigma: float) -> bool:
    """Whether the word's |N|, in steps, is at least `steps` - 1/2: decided in 60 digits."""
    with localcontext(prec=60):
        middle = (Decimal(steps) - Decimal("0.5")) / Decimal(steps_per_sigma)
        tail = (2 * Decimal(word & _NOT_THE_SIGN) + 1) / Decimal(2**65)
        return tail <= upper_tail(middle)
