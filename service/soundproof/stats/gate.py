"""The sequential gate: does a clip hold at a given radius, asked with as few votes as possible.

The hypothesis to be rejected is that the radius does not hold: that an estimation vote is an *error*, not for the
selected class, with probability q >= q0 = Phi(-r), r being the radius in sigmas. Errors are counted and looked at after
n_1 < ... < n_K votes; at look k the gate certifies as soon as there are at most c_k of them. The boundaries c_k come
from the exact distribution of the error count under q0, carried from look to look without the paths that have certified
already, so that the probability of ever certifying wrongly is at most alpha (a group-sequential test with an error
spending function, Lan & DeMets 1983, here with exact binomial increments). Fewer errors are only likelier for q < q0,
so what holds at q0 holds for every q >= q0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, ndtr, xlog1py, xlogy

from soundproof.stats.rounding import round_down, round_up

# Share of alpha that may be spent by the first look and, rising evenly, by the last but one; the last may spend all.
FIRST_SPENDING, LATE_SPENDING = 0.25, 0.35
# Each look has so many times the votes of the one before.
LOOK_RATIO = 1.3
# Votes that a gate may have: what the boundaries take to compute grows with their number.
MAX_VOTES = 1_000_000
# Relative, on every crossing probability: up to MAX_VOTES the logarithm of a binomial probability errs by less.
_MARGIN = 2.0**-20
# Error counts with a probability below this are not carried on; what they could add is added as if it had crossed.
_NEGLIGIBLE = 1e-30
# A count of errors that is never reached: nothing certifies at that look.
NEVER = -1

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Gate:
    """Certifies at look k when at most `most_errors[k]` of the first `looks[k]` votes are errors; NEVER: it cannot."""

    null_error: float
    looks: tuple[int, ...]
    most_errors: tuple[int, ...]

    @property
    def hopeless_errors(self) -> int:
        """With so many errors no later look can certify any more: the gate is refuted."""
        return self.most_errors[-1] + 1


def null_error(target_radius: float, sigma: float) -> float:
    """q0 = Phi(-r), the smallest error probability at which the radius does not hold; r = target_radius / sigma.

    If an error has probability below q0 the smoothed classifier keeps its answer within `target_radius` (Cohen et al.
    2019, Theorem 1 with p_A > 1 - q0 and p_B < q0). Rounded down, which asks for fewer errors than needed.
    Raises ValueError unless both are positive and finite.

    >>> round(null_error(0.04, 0.02), 9)
    0.022750132
    """
    for name, value in (("target_radius", target_radius), ("sigma", sigma)):
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{name} is {value}; it must be positive and finite")
    return max(0.0, round_down(float(ndtr(-round_up(target_radius / sigma)))))


def smallest_votes(q0: float, alpha: float) -> float:
    """The votes that certify when none of them is an error and all of alpha is spent on them; inf when none do.

    (1 - q0)^n <= alpha. With fewer the gate cannot be passed, whatever the clip.

    >>> smallest_votes(0.022750132, 0.001)
    301
    """
    if q0 <= 0:
        return math.inf
    # Twice the margin: at alpha near 1/2 one is used up by that on the crossing probability.
    return math.ceil(math.log(alpha) / math.log1p(-q0) * (1 + 2 * _MARGIN))


@lru_cache(maxsize=64)
def gate(q0: float, n: int, alpha: float) -> Gate:
    """The gate of at most `n` votes: looks from where no error at all certifies, 1.3 times as many votes each, up to n.

    Raises ValueError when not even n votes without an error pass, unless 0 < q0 < 1, 0 < alpha < 1, and for n beyond
    MAX_VOTES.

    >>> gate(0.158655253, 10_000, 0.001).looks[:3]
    (49, 64, 84)
    """
    if not 0 < n <= MAX_VOTES:
        raise ValueError(f"n is {n}; a gate takes 1 to {MAX_VOTES} votes")
    if not (0 < q0 < 1 and 0 < alpha < 1):
        raise ValueError(f"q0 = {q0} and alpha = {alpha} must lie strictly between 0 and 1")
    if smallest_votes(q0, alpha) > n:
        raise ValueError(f"{n} votes without an error are not enough at q0 = {q0} and alpha = {alpha}")
    looks = []
    look = smallest_votes(q0, FIRST_SPENDING * alpha)
    while look < n:
        looks.append(int(look))
        look = math.ceil(LOOK_RATIO * look)
    spending = np.linspace(FIRST_SPENDING, LATE_SPENDING, len(looks)).tolist()
    return Gate(q0, (*looks, n), boundaries(q0, (*looks, n), (*spending, 1.0), alpha))


def boundaries(q0: float, looks: Sequence[int], spending: Sequence[float], alpha: float) -> tuple[int, ...]:
    """The most errors that certify at each look: the largest counts for which the probability of having certified by
    look k, at error probability `q0`, stays within alpha * spending[k]. What one look leaves unspent the next may use.

    >>> boundaries(0.022750132, (512, 1024, 2048, 4096, 8192, 10000), (0.25, 0.3, 0.35, 0.4, 0.5, 1.0), 0.001)
    (1, 7, 24, 58, 138, 180)
    """
    going, spent, most = Going.at_start(), 0.0, NEVER
    found = []
    for step, share in zip(np.diff([0, *looks]), spending, strict=True):
        going, lost = going.after(int(step), q0)
        spent += lost
        crossing = np.cumsum(going.probabilities) * (1 + _MARGIN)
        certified = int(np.searchsorted(crossing, alpha * share - spent, side="right"))
        if certified:
            spent += float(crossing[certified - 1])
            most = going.fewest + certified - 1
            going = going.without(certified)
        found.append(most)
    return tuple(found)


@dataclass(frozen=True)
class Prospects:
    """What a gate does with a clip whose error probability is known: exact, not simulated."""

    certified: float
    refuted: float  # it can no longer certify, at the last look included
    mean_votes: float


def prospects(of: Gate, q: float) -> Prospects:
    """The probabilities that the gate certifies and refutes, and the mean number of votes until it ends.

    >>> round(prospects(gate(0.022750132, 10_000, 0.001), 0.0).mean_votes)
    361
    """
    going, certified, refuted, mean_votes = Going.at_start(), 0.0, 0.0, 0.0
    reached = 0
    for look, most in zip(of.looks, of.most_errors, strict=True):
        mean_votes += (look - reached) * float(going.probabilities.sum())
        going, lost = going.after(look - reached, q)
        reached = look
        passing = min(max(0, most + 1 - going.fewest), len(going.probabilities))
        certified += lost + float(going.probabilities[:passing].sum())
        going = going.without(passing)
        left = max(0, of.hopeless_errors - going.fewest)
        refuted += float(going.probabilities[left:].sum())
        going = Going(going.fewest, going.probabilities[:left])
    return Prospects(certified, refuted, mean_votes)


@dataclass(frozen=True)
class Going:
    """The paths that still go on: `probabilities[i]` that they have come so far with `fewest + i` errors."""

    fewest: int
    probabilities: Floats

    @classmethod
    def at_start(cls) -> "Going":
        return cls(0, np.ones(1))

    def after(self, votes: int, q: float) -> tuple["Going", float]:
        """So many votes later, and the probability of the counts that were too unlikely to be carried on."""
        if not len(self.probabilities):
            return self, 0.0
        fewest, step = _binomial(votes, q)
        probabilities = np.convolve(self.probabilities, step)
        carried = np.flatnonzero(probabilities > _NEGLIGIBLE)
        if not len(carried):
            return Going(self.fewest + fewest, np.zeros(0)), float(probabilities.sum())
        first, last = int(carried[0]), int(carried[-1]) + 1
        lost = float(probabilities[:first].sum() + probabilities[last:].sum())
        return Going(self.fewest + fewest + first, probabilities[first:last]), lost

    def without(self, count: int) -> "Going":
        """Less the paths with the `count` smallest numbers of errors."""
        return Going(self.fewest + count, self.probabilities[count:])


def _binomial(n: int, q: float) -> tuple[int, Floats]:
    """P[Bin(n, q) = e] for e from the first number returned on; what is left out is below 1e-30 in all."""
    reach = 12 * math.sqrt(n * q * (1 - q)) + 40
    first, last = max(0, math.floor(n * q - reach)), min(n, math.ceil(n * q + reach))
    e = np.arange(first, last + 1, dtype=np.float64)
    ways = gammaln(n + 1) - gammaln(e + 1) - gammaln(n - e + 1)
    return first, np.exp(ways + xlogy(e, q) + xlog1py(n - e, -q))
