"""Exact one-sided binomial confidence bounds (Clopper & Pearson 1934), kept in the tail q = 1 - p.

Near p = 1 the difference 1 - p loses the digits a radius lives on; q keeps them. Only `scipy.special` is needed, not
`scipy.stats`, so that importing this stays cheap.
"""

import math

from scipy.special import betaincc

from soundproof.stats.rounding import round_up

# Up to here scipy's binomial tail puts the bound off by less than 4e-13, relative (compared with 40 digits); its error
# grows with n and would outgrow the margin of round_up. The closed form for unanimous votes has no such limit.
MAX_VOTES = 10**8


def error_upper_bound(successes: int, n: int, alpha: float) -> float:
    """The upper confidence bound `q_upper` of the probability that a vote is not for the selected class.

    With probability >= 1 - alpha over `n` independent votes, of which `successes` were for the class, the true
    probability p of the class satisfies 1 - p <= q_upper (Clopper & Pearson 1934; Cohen et al. 2019, LowerConfBound,
    as 1 - p). Rounded up by a relative 2**-40; dimensionless, in (0, 1].

    Raises ValueError unless 0 <= successes <= n, n >= 1 and 0 < alpha < 1, and for votes that are not unanimous if
    n > MAX_VOTES.

    >>> 1 - round(error_upper_bound(9900, 10000, 0.001), 12)
    0.986531159324
    """
    _check(successes, n, alpha)
    return share_upper_bound(n - successes, n, alpha)


def share_upper_bound(count: int, n: int, alpha: float) -> float:
    """The upper confidence bound of the probability of a class that got `count` of `n` independent votes.

    With probability >= 1 - alpha the true probability is at most the result, the largest q with
    P[Bin(n, q) <= count] >= alpha (Clopper & Pearson 1934). Used for the runner-up. Rounded up by a relative 2**-40;
    dimensionless, in (0, 1].

    Raises ValueError unless 0 <= count <= n, n >= 1 and 0 < alpha < 1, and if 0 < count < n with n > MAX_VOTES.

    >>> round(share_upper_bound(100, 10000, 0.001), 12)
    0.013468840676
    """
    _check(count, n, alpha)
    if count == n:
        return 1.0
    if count == 0:
        return min(1.0, round_up(-math.expm1(math.log(alpha) / n)))
    if n > MAX_VOTES:
        raise ValueError(f"n is {n}; bounds that are not for unanimous votes are exact enough up to {MAX_VOTES} only")
    return min(1.0, round_up(_tail_root(count, n, alpha)))


def smallest_n(alpha: float) -> int:
    """The smallest number of votes that certifies anything, when all of them agree: q_upper < 1/2.

    It is ceil(ln alpha / ln(1/2)), and one more where that would give q_upper = 1/2 exactly. Raises ValueError unless
    0 < alpha < 1.

    >>> smallest_n(0.001)
    10
    """
    _check(1, 1, alpha)
    n = max(1, math.floor(-math.log2(alpha)))
    while error_upper_bound(n, n, alpha) >= 0.5:
        n += 1
    return n


def _tail_root(count: int, n: int, alpha: float) -> float:
    """The q at which P[Bin(n, q) <= count] falls to alpha, by bisection on the tail itself.

    `scipy.special.betainccinv` would give it in one call, but errs without warning: at n = 101_878_643, count = 999,
    alpha = 4.1e-8 it is .2 % too low, which overstates the radius.
    """
    low, high = 0.0, 1.0
    while high - low > high * 2**-50:
        middle = (low + high) / 2
        # I_{1-q}(n - count, count + 1) = P[Bin(n, q) <= count]; a NaN counts as too much, which is the safe side.
        if betaincc(count + 1, n - count, middle) <= alpha:
            high = middle
        else:
            low = middle
    return high


def _check(count: int, n: int, alpha: float) -> None:
    if n < 1:
        raise ValueError(f"n is {n}; it must be at least 1")
    if not 0 <= count <= n:
        raise ValueError(f"{count} of {n} votes is impossible")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; it must lie strictly between 0 and 1")
