"""The lattice's numbers: its step, and what its certificates give up for it."""

import math

import numpy as np
import pytest
from scipy.special import ndtr

from soundproof.smoothing.lattice import Lattice, variation

SIGMAS = [1e-6, 0.0025, 0.1, 0.5, math.nextafter(0.5, 0), math.nextafter(0.5, 1), 1.0, 3.7, 1e3]


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_step_is_a_power_of_two_a_millionth_of_sigma(sigma: float) -> None:
    lattice = Lattice(sigma)
    assert math.frexp(lattice.step)[0] == 0.5
    assert 2**20 <= lattice.steps_per_sigma < 2**21
    assert lattice.steps_per_sigma * lattice.step == sigma, "exactly"


def test_files_without_a_gain_lie_on_the_lattice() -> None:
    """16 bits in mono and stereo, up to sigma 16; 24 bits up to 1/8."""
    assert (2.0**-16 / Lattice(16.0).step).is_integer()
    assert (2.0**-24 / Lattice(math.nextafter(0.125, 0)).step).is_integer()


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("dimension", [1, 16_000, 11_520_000])
def test_the_radius_loses_the_furthest_that_two_points_may_be_moved(sigma: float, dimension: int) -> None:
    lattice = Lattice(sigma)
    corner = lattice.step / 2 * math.sqrt(dimension)  # a point in the middle of a cell is this far from its corners
    assert 2 * corner < lattice.distance_slack(dimension) < 2 * corner * (1 + 1e-9)
    assert lattice.distance_slack(16_000) < 1.3e-4 * sigma


def test_the_error_slack_is_nothing_beside_the_bounds_of_10_000_votes() -> None:
    assert 0 < Lattice(0.7).error_slack(16_000) < 2e-8
    assert Lattice(0.5).error_slack(2) > 2 * variation(2**20)


@pytest.mark.parametrize("s", [0.05, 0.3, 1.0, 17.0, 100.0])
def test_the_variation_bounds_the_sum_it_is_a_bound_of(s: float) -> None:
    """Here the words' errors are added up: for each k at most 2^-64, and at most 2 Q(t_k) once no word reaches t_k."""
    t = (np.arange(1, math.ceil(40 * s) + 2) - 0.5) / s
    tails = ndtr(-t)
    # Where 2^64 Q >= 1/2, some word reaches t_k.
    errors = np.where(tails >= 2.0**-65, 2.0**-64, 2 * tails)
    assert errors.sum() < variation(s)
    assert errors.sum() > 0.9 * variation(s) or s < 10, "the bound is not a loose one"
