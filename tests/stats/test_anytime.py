"""The running bound: an exact walk over all vote sequences, and what it costs beside a fixed bound."""

import numpy as np
import pytest
from scipy.stats import binom

from soundproof.stats.anytime import running_error_bound
from soundproof.stats.bounds import error_upper_bound

LOOKS = 100


def ever_wrong(q: float, alpha: float, bound: object) -> float:
    """The probability, exact but for paths below 1e-9, that the bound is ever below q, looked at after every vote."""
    going, wrong = np.ones(1), 0.0
    for n in range(1, LOOKS + 1):
        going = np.concatenate([going * (1 - q), [0.0]]) + np.concatenate([[0.0], going * q])  # by errors
        excluded = [bound(n - e, n, alpha) < q if going[e] > 1e-9 else False for e in range(n + 1)]  # type: ignore[operator]
        wrong += float(going[excluded].sum())
        going[excluded] = 0.0
    return wrong


@pytest.mark.parametrize("q", [0.01, 0.1, 0.5])
def test_looking_after_every_vote_keeps_alpha(q: float) -> None:
    assert ever_wrong(q, 0.05, running_error_bound) <= 0.05


def test_a_fixed_bound_does_not() -> None:
    assert ever_wrong(0.1, 0.05, error_upper_bound) > 0.1


@pytest.mark.parametrize(("errors", "n"), [(0, 1), (0, 1_000), (3, 1_000), (700, 1_000), (1_000, 1_000), (5, 10**6)])
def test_it_is_never_tighter_than_the_fixed_bound_nor_absurdly_wider(errors: int, n: int) -> None:
    fixed, running = (bound(n - errors, n, 0.001) for bound in (error_upper_bound, running_error_bound))
    assert fixed <= running <= 1.0
    assert running - errors / n <= 2.5 * (fixed - errors / n) + 1e-12 or running == 1.0


def test_it_narrows_with_the_votes() -> None:
    bounds = [running_error_bound(n, n, 0.001) for n in (1, 10, 100, 1_000, 10_000)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] < 0.0013


@pytest.mark.parametrize(("successes", "n", "alpha"), [(-1, 1, 0.1), (2, 1, 0.1), (0, 0, 0.1), (1, 1, 0), (1, 1, 1)])
def test_impossible_votes_are_refused(successes: int, n: int, alpha: float) -> None:
    with pytest.raises(ValueError, match="impossible"):
        running_error_bound(successes, n, alpha)


def test_simulated_coverage_far_out() -> None:
    """2,000 walks of 10,000 votes looked at in steps of 50: at alpha 0.05, above 0.07 has probability below 1e-4."""
    generator = np.random.default_rng(5)
    q, walks, step = 0.02, 2_000, 50
    errors, wrong = np.zeros(walks, dtype=np.int64), np.zeros(walks, dtype=bool)
    for n in range(step, 10_001, step):
        errors += generator.binomial(step, q, walks)
        bound = {e: running_error_bound(n - e, n, 0.05) for e in set(errors.tolist())}
        wrong |= np.array([bound[e] < q for e in errors.tolist()])
    assert wrong.mean() <= 0.07
    assert binom.sf(140, walks, 0.05) < 1e-4
