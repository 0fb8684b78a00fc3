import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchaudio.transforms import Resample

from soundproof.audio.resample import _gram, _gram_blocks, _resampler, operator_norm, resample, resampled_frames
from soundproof.errors import UnsupportedRate
from soundproof.terms import ALLOWED_RATES_HZ


def matrix(frames: int, orig_hz: int, new_hz: int) -> NDArray[np.float64]:
    """The resampler on clips of `frames` frames: (resampled frames, frames)."""
    basis = np.eye(frames, dtype=np.float32)
    image: NDArray[np.float64] = resample(basis, orig_hz, new_hz, 0, resampled_frames(frames, orig_hz, new_hz)).numpy()
    return image.T


def largest_singular_value(frames: int, orig_hz: int, new_hz: int) -> float:
    return float(np.linalg.norm(matrix(frames, orig_hz, new_hz), 2))


@pytest.mark.parametrize(
    ("orig_hz", "new_hz", "frames"),
    [(8000, 16000, 1), (44100, 16000, 100), (48000, 16000, 37), (11025, 16000, 60), (16000, 8000, 50)],
)
def test_operator_norm_bounds_short_clips(orig_hz: int, new_hz: int, frames: int) -> None:
    assert largest_singular_value(frames, orig_hz, new_hz) <= operator_norm(orig_hz, new_hz)


@pytest.mark.parametrize(
    ("orig_hz", "new_hz", "frames"),
    [
        (8000, 16000, 300),
        (11025, 16000, 500),
        (12000, 16000, 300),
        (24000, 16000, 400),
        (32000, 16000, 500),
        (44100, 16000, 900),
        (48000, 16000, 700),
        (16000, 11025, 500),
    ],
)
def test_operator_norm_is_nearly_reached_by_long_clips(orig_hz: int, new_hz: int, frames: int) -> None:
    bound = operator_norm(orig_hz, new_hz)
    assert 0.98 * bound <= largest_singular_value(frames, orig_hz, new_hz) <= bound


@pytest.mark.parametrize(("orig_hz", "new_hz"), [(8000, 16000), (48000, 16000), (24000, 16000), (192000, 16000)])
def test_operator_norm_exceeds_a_dense_grid_by_one_in_ten_thousand_at_most(orig_hz: int, new_hz: int) -> None:
    blocks = _gram_blocks(_resampler(orig_hz, new_hz))
    thetas = np.linspace(0, math.pi, 5001)
    dense = math.sqrt(max(float(torch.linalg.eigvalsh(_gram(blocks, theta))[-1]) for theta in thetas))
    assert dense <= operator_norm(orig_hz, new_hz) <= dense * (1 + 1.01e-4)


@pytest.mark.parametrize("orig_hz", ALLOWED_RATES_HZ)
def test_operator_norm_is_close_to_that_of_ideal_resampling(orig_hz: int) -> None:
    """An ideal band-limited resampler scales every norm by sqrt(new / orig); the ripple of this one adds 0.7 %."""
    ideal = math.sqrt(16000 / orig_hz)
    assert ideal <= operator_norm(orig_hz, 16000) <= 1.007 * ideal


@pytest.mark.parametrize(("orig_hz", "of_scipy"), [(44100, 0.6038), (48000, 0.5788), (22050, 0.8539), (8000, 1.4177)])
def test_operator_norm_is_near_that_of_another_resampler(orig_hz: int, of_scipy: float) -> None:
    assert operator_norm(orig_hz, 16000) == pytest.approx(of_scipy, rel=0.01)


def test_equal_rates_change_nothing() -> None:
    assert operator_norm(44100, 44100) == 1.0
    samples = np.arange(10, dtype=np.float32).reshape(2, 5)
    assert resample(samples, 44100, 44100, 1, 4).tolist() == samples[:, 1:4].tolist()


def test_operator_norm_is_computed_once_per_pair_of_rates() -> None:
    operator_norm(12000, 16000)
    hits = operator_norm.cache_info().hits
    operator_norm(12000, 16000)
    assert operator_norm.cache_info().hits == hits + 1


@pytest.mark.parametrize("seed", range(20))
def test_riesz_bound_holds_for_random_polynomials(seed: int) -> None:
    """max p <= max over N nodes / cos^2(pi D / (2 N)) for p = |q|^2 of degree D, which operator_norm rests on."""
    rng = np.random.default_rng(seed)
    degree = int(rng.integers(1, 8))
    nodes = int(rng.integers(degree + 1, 4 * degree + 2))
    coefficients = rng.normal(size=degree + 1) + 1j * rng.normal(size=degree + 1)

    def values(points: int) -> NDArray[np.float64]:
        angles = 2 * np.pi * np.arange(points) / points
        p: NDArray[np.float64] = np.abs(np.polynomial.polynomial.polyval(np.exp(1j * angles), coefficients)) ** 2
        return p

    assert values(20_000).max() <= values(nodes).max() / math.cos(math.pi * degree / (2 * nodes)) ** 2


def test_riesz_bound_is_reached_between_two_nodes() -> None:
    degree, nodes = 3, 12
    angles = 2 * np.pi * np.arange(nodes) / nodes
    on_nodes = 1 + np.cos(degree * (angles - np.pi / nodes))  # its maximum, 2, lies midway
    assert on_nodes.max() / math.cos(math.pi * degree / (2 * nodes)) ** 2 == pytest.approx(2, rel=1e-12)


@pytest.mark.parametrize("orig_hz", [8000, 11025, 22050, 44100, 48000, 192000])
def test_every_window_equals_that_part_of_the_whole(orig_hz: int) -> None:
    rng = np.random.default_rng(orig_hz)
    samples = rng.normal(size=(2, 3 * orig_hz // 10 + 7)).astype(np.float32)
    whole = Resample(orig_hz, 16000, dtype=torch.float64)(torch.from_numpy(samples.astype(np.float64)))
    frames = resampled_frames(samples.shape[1], orig_hz, 16000)
    assert whole.shape == (2, frames)
    cuts = sorted({0, frames, *rng.integers(0, frames, 6).tolist()})
    for start, stop in [*pairwise(cuts), (0, frames)]:
        torch.testing.assert_close(
            resample(samples, orig_hz, 16000, start, stop), whole[:, start:stop], rtol=0, atol=1e-14
        )


def test_pieces_of_a_long_clip_join_without_a_seam() -> None:
    samples = np.random.default_rng(1).normal(size=(1, 60_000)).astype(np.float32)
    whole = Resample(12000, 16000, dtype=torch.float64)(torch.from_numpy(samples.astype(np.float64)))
    torch.testing.assert_close(resample(samples, 12000, 16000, 0, 80_000), whole, rtol=0, atol=1e-14)


def test_a_tone_keeps_its_frequency_and_amplitude() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(4800) / 48000).astype(np.float32)[None]
    expected = np.sin(2 * np.pi * 1000 * np.arange(1600) / 16000)
    resampled = resample(tone, 48000, 16000, 0, 1600)[0].numpy()
    np.testing.assert_allclose(resampled[50:-50], expected[50:-50], atol=0.01)


@pytest.mark.parametrize("orig_hz", [44101, 2**31 - 1])
def test_rates_without_a_short_ratio_are_refused(orig_hz: int) -> None:
    with pytest.raises(UnsupportedRate, match="no short ratio"):
        resample(np.zeros((1, 10), np.float32), orig_hz, 16000, 0, 1)
    with pytest.raises(UnsupportedRate):
        operator_norm(orig_hz, 16000)
