"""Seeded simulations: certificates are false at most a fraction alpha of the time, and the wrong ways are caught.

False-alarm rate: if every procedure called sound here is false with probability at most ALPHA per certification, all
tests of this file together fail with probability at most FALSE_ALARMS = 1e-6 over the choice of seeds. Each of the
CHECKS comparisons allows `binom.isf(FALSE_ALARMS / CHECKS, trials, ALPHA)` false claims. The seeds are fixed, so the
outcome is too, until the code or numpy's generators change. The comparisons from below (a worst case is false nearly
alpha of the time, a wrong procedure 1.5 to 20 times that) fail by chance with far smaller probability still.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import ndtri
from scipy.stats import binom

from soundproof.stats.bounds import error_upper_bound, share_upper_bound
from soundproof.stats.radius import multiclass_radius, radius

ALPHA = 0.05
FALSE_ALARMS = 1e-6
TRIALS = 20_000
# n, and the count from which on a claim is made false: near p = 1/2, in between, near 1, and only unanimous votes.
EDGES = [
    *((20, k) for k in (15, 17, 19, 20)),
    *((100, k) for k in (59, 75, 99, 100)),
    *((1_000, k) for k in (527, 750, 990, 1_000)),
    *((10_000, k) for k in (5_083, 7_500, 9_990, 10_000)),
]
SHARES = {
    "50 equal classes": (1_000, np.full(50, 0.02)),
    "2 equal classes": (1_001, np.full(2, 0.5)),
    "one class slightly ahead": (1_000, np.array([0.3, 0.28, 0.22, 0.2])),
    "one class far ahead": (200, np.array([0.97, 0.02, 0.01])),
}
N0 = 100
CHECKS = len(EDGES) + 2 * len(SHARES) + 1
Counts = npt.NDArray[np.int64]


def allowed(trials: int) -> int:
    return int(binom.isf(FALSE_ALARMS / CHECKS, trials, ALPHA))


def per_count(claim: Callable[[int], float], counts: Counts) -> npt.NDArray[np.float64]:
    """claim(k) for every k in counts, computed once per distinct k."""
    distinct, positions = np.unique(counts, return_inverse=True)
    return np.array([claim(int(k)) for k in distinct])[positions]


def false_claims(n: int, edge: int, alpha: float) -> int:
    """How many of TRIALS certifications at `alpha` claim more than the true radius, which `edge` votes just exceed.

    The true error lies a hair above the bound that `edge` votes give: the worst case, where a certificate is false
    with probability as close to alpha as n votes allow.
    """
    true_error = error_upper_bound(edge, n, alpha) * (1 + 1e-9)
    true_radius = max(0.0, -float(ndtri(true_error)))
    counts = np.random.default_rng([n, edge]).binomial(n, 1 - true_error, TRIALS)
    claimed = per_count(lambda k: radius(1.0, error_upper_bound(k, n, alpha)) or 0.0, counts)
    return int(np.sum(claimed > true_radius))


def simulate(name: str, seed: int) -> tuple[Counts, Counts]:
    """Selection and estimation votes of TRIALS certifications: (trials, classes) each, independent."""
    n, shares = SHARES[name]
    rng = np.random.default_rng(seed)
    return rng.multinomial(N0, shares, TRIALS), rng.multinomial(n, shares, TRIALS)


def false_bounds(name: str, selection: Counts, estimation: Counts) -> int:
    """How often the lower bound of the selected class's probability lies above that probability."""
    n, shares = SHARES[name]
    top = selection.argmax(axis=1)
    votes = estimation[np.arange(TRIALS), top]
    error_upper = per_count(lambda k: error_upper_bound(k, n, ALPHA), votes)
    return int(np.sum(error_upper < 1 - shares[top]))


def false_multiclass_radii(name: str, selection: Counts, estimation: Counts) -> int:
    """How often the multi-class radius is larger than the true one, from the selected class to its true runner-up."""
    n, shares = SHARES[name]
    top = selection.argmax(axis=1)
    others = np.arange(len(shares)) != top[:, None]
    runner_up = np.where(others, estimation, 0).max(axis=1)
    true_runner_up = np.where(others, shares, 0).max(axis=1)
    true_radius = (ndtri(shares[top]) - ndtri(true_runner_up)) / 2
    error_upper = per_count(lambda k: error_upper_bound(k, n, ALPHA / 2), estimation[np.arange(TRIALS), top])
    share_upper = per_count(lambda k: share_upper_bound(k, n, ALPHA / 2), runner_up)
    claims = [multiclass_radius(1.0, a, b) for a, b in zip(error_upper, share_upper, strict=True)]
    return sum(c is not None and c > t for c, t in zip(claims, true_radius, strict=True))


@pytest.mark.parametrize(("n", "edge"), EDGES)
def test_radii_are_false_at_most_alpha_of_the_time(n: int, edge: int) -> None:
    false = false_claims(n, edge, ALPHA)
    assert false <= allowed(TRIALS)
    assert false > 0.8 * ALPHA * TRIALS, "not the worst case: this simulation could not catch much"


@pytest.mark.parametrize(("n", "edge"), EDGES)
def test_a_bound_at_one_and_a_half_alpha_is_caught(n: int, edge: int) -> None:
    assert false_claims(n, edge, 1.5 * ALPHA) > allowed(TRIALS)


@pytest.mark.parametrize("name", SHARES)
def test_fresh_estimation_votes_keep_the_bound_honest(name: str) -> None:
    selection, estimation = simulate(name, seed=20_260_731)
    assert false_bounds(name, selection, estimation) <= allowed(TRIALS)


@pytest.mark.parametrize("name", SHARES)
def test_multiclass_radii_are_false_at_most_alpha_of_the_time(name: str) -> None:
    selection, estimation = simulate(name, seed=7)
    assert false_multiclass_radii(name, selection, estimation) <= allowed(TRIALS)


@pytest.mark.parametrize("name", ["50 equal classes", "2 equal classes"])
def test_reusing_the_selection_votes_for_the_bound_is_caught(name: str) -> None:
    _, estimation = simulate(name, seed=20_260_731)
    assert false_bounds(name, selection=estimation, estimation=estimation) > allowed(TRIALS)


def test_reusing_the_selection_votes_certifies_a_tie() -> None:
    """Two classes at 1/2 each have no radius at all, so every radius claimed is false."""
    selection, estimation = simulate("2 equal classes", seed=3)
    n, _ = SHARES["2 equal classes"]

    def certified(chosen_by: Counts) -> int:
        votes = estimation[np.arange(TRIALS), chosen_by.argmax(axis=1)]
        return int(np.sum(per_count(lambda k: radius(1.0, error_upper_bound(k, n, ALPHA)) or 0.0, votes) > 0))

    assert certified(selection) <= allowed(TRIALS) < certified(estimation)
