"""Testing a claim again with other votes: do fresh votes refute it, do two counts agree? Exact tails."""

import math

import numpy as np
import numpy.typing as npt
from scipy.special import betaincc, gammaln

from soundproof.stats.bounds import share_upper_bound

# What a true claim is refuted with at most this probability.
REFUTES_BELOW = 1e-4
# Two counts of the same classifier are called different with at most this probability. Small, since every class, both
# stages and every look of a gate may be compared.
DIFFERS_BELOW = 1e-9


def chance_of_so_few(count: int, n: int, least: float) -> float:
    """The largest probability of `count` or fewer of `n` independent votes for a class whose own is `least` or more.

    P[Bin(n, least) <= count]: a larger probability only makes few votes rarer. Raises ValueError unless
    0 <= count <= n, n >= 1 and 0 <= least <= 1.

    >>> round(chance_of_so_few(990, 1000, 0.999), 12)
    1.07428e-07
    """
    if not (n >= 1 and 0 <= count <= n and 0 <= least <= 1):
        raise ValueError(f"{count} of {n} votes at probability {least} is impossible")
    return 1.0 if count == n else float(betaincc(count + 1, n - count, least))


def surely_refuted_below(n: int, least: float, surely: float = 0.99) -> float | None:
    """The claim `least` is refuted by `n` fresh votes with probability `surely` where the truth is no more than this;
    None where so few votes can refute nothing. What a claim that was not refuted leaves possible.

    >>> round(surely_refuted_below(1000, 0.999), 4)
    0.9855
    """
    kept, refuted = n, -1  # the largest count that refutes is between them
    while kept - refuted > 1:
        middle = (kept + refuted) // 2
        if chance_of_so_few(middle, n, least) < REFUTES_BELOW:
            refuted = middle
        else:
            kept = middle
    if refuted < 0:
        return None
    # The largest q with P[Bin(n, q) <= refuted] >= surely.
    return share_upper_bound(refuted, n, surely)


def chance_of_difference(one: int, of_one: int, other: int, of_other: int) -> float:
    """How likely it is that independent votes of one and the same classifier come to counts as far apart as `one` of
    `of_one` and `other` of `of_other`: Fisher's exact test, twice its smaller tail, at most 1.

    Given the sum, the first count is hypergeometric, whatever the probability of a vote is. Where the noise is the same
    and only the arithmetic another, the two counts share most of their votes and are closer: the test errs then on
    the side of calling them alike. ValueError for counts beyond their totals.

    >>> round(chance_of_difference(10_000, 10_000, 9_970, 10_000), 11)
    1.82e-09
    """
    if not (0 <= one <= of_one and 0 <= other <= of_other and of_one >= 1 and of_other >= 1):
        raise ValueError(f"{one} of {of_one} and {other} of {of_other} votes are impossible")
    hits, total = one + other, of_one + of_other
    lowest, highest = max(0, hits - of_other), min(hits, of_one)
    share = hits / total
    reach = math.ceil(12 * math.sqrt(of_one * share * (1 - share)) + 40)  # beyond it the terms are below 1e-30 in all
    if one <= of_one * share:
        as_far = np.arange(max(lowest, one - reach), one + 1)
    else:
        as_far = np.arange(one, min(highest, one + reach) + 1)
    return min(1.0, 2 * _hypergeometric(as_far, of_one, hits, total))


def _hypergeometric(x: npt.NDArray[np.int64], drawn: int, hits: int, total: int) -> float:
    """The probability of the counts `x` of hits among `drawn` of `total`, of which `hits` are."""
    logs = _ways(hits, x) + _ways(total - hits, drawn - x) - _ways(total, np.array([drawn]))
    return float(np.exp(logs).sum())


def _ways(n: int, k: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """ln (n over k)."""
    found: npt.NDArray[np.float64] = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return found
