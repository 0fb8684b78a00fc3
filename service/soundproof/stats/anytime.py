"""A bound that may be looked at while votes come in: valid at every number of votes at once.

A Clopper-Pearson bound holds for a number of votes fixed beforehand; whoever watches it move and stops where it pleases
them has lost its confidence. A mixture martingale keeps it (Ville 1939; Robbins 1970; Howard et al. 2021), at the price
of being wider. It tells how a run is doing and is never a certificate's own bound.
"""

import math

from scipy.special import betaln, xlog1py, xlogy

from soundproof.stats.rounding import round_up

# Of the Beta prior over the error probability: half a vote each way (Krichevsky & Trofimov 1981).
_PRIOR = 0.5


def running_error_bound(successes: int, n: int, alpha: float) -> float:
    """An upper bound of the probability that a vote is not for the class, after `successes` of `n` independent votes.

    With probability >= 1 - alpha it holds at *all* n at once. For every q the ratio of the votes' likelihood, mixed
    over Beta(1/2, 1/2), to their likelihood under q is a martingale of mean 1 if q is true; it ever exceeds 1 / alpha
    with probability at most alpha (Ville's inequality). The bound is the largest q whose ratio does not. Rounded up;
    dimensionless, in (0, 1]. Raises ValueError unless 0 <= successes <= n, n >= 1 and 0 < alpha < 1.

    >>> running_error_bound(1000, 1000, 0.001) > 0.0068
    True
    """
    if not (n >= 1 and 0 <= successes <= n and 0 < alpha < 1):
        raise ValueError(f"{successes} of {n} votes at alpha {alpha} is impossible")
    errors = n - successes
    mixed = float(betaln(errors + _PRIOR, successes + _PRIOR) - betaln(_PRIOR, _PRIOR))
    low, high = errors / n, 1.0  # the ratio rises from the most likely q to 1
    while high - low > high * 2**-50:
        middle = (low + high) / 2
        if mixed - float(xlogy(errors, middle) + xlog1py(successes, -middle)) > -math.log(alpha):
            high = middle
        else:
            low = middle
    return min(1.0, round_up(high))
