"""Claims over the certificates of many clips. Exact, and in plain Python: the client's base install has no scipy.

A certificate is false with probability at most alpha over its own noise. Clips that are not the same sound never share
noise, so false certificates are independent between them, and their number is at most binomial(clips, alpha) in
distribution. That, and no more, is what the claims here rest on.

"All of them at once" is Bonferroni's alpha / M. Holm's step-down test would certify more, but needs a p-value for each
clip, valid at every level. A sequential gate has none: its looks and boundaries are made for one alpha, it stops
drawing once that is decided, and what passes at one alpha need not pass at a larger one, since what a look leaves
unspent moves the later boundaries.
"""

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction


def upper_tail(count: int, n: int, p: float) -> float:
    """P[Bin(n, p) > count], summed from its smallest terms; relative error below 1e-9 for n up to 1e6, which is far
    below what any claim is printed with. Raises ValueError unless n >= 0 and 0 <= p <= 1.

    >>> f"{upper_tail(2, 1000, 0.001):.4f}"
    '0.0802'
    """
    if n < 0 or not 0 <= p <= 1:
        raise ValueError(f"n is {n}, p is {p}; n must not be negative and p must be a probability")
    if count < 0:
        return 1.0
    if count >= n or p == 0:
        return 0.0
    if p == 1:
        return 1.0
    terms = (math.exp(_log_probability(k, n, p)) for k in range(count + 1, n + 1))
    if count + 1 >= n * p:
        return min(1.0, math.fsum(_until_negligible(terms)))
    below = (math.exp(_log_probability(k, n, p)) for k in range(count, -1, -1))
    return max(0.0, 1.0 - math.fsum(_until_negligible(below)))


def most_false(clips: int, alpha: float, rho: float) -> int:
    """The number of false certificates that is exceeded with probability at most `rho`: the smallest k with
    P[Bin(clips, alpha) > k] <= rho, as scipy's binom.isf(rho, clips, alpha). `clips`: all that were asked, certified or
    not. Raises ValueError unless clips >= 0, 0 <= alpha <= 1 and 0 < rho <= 1.

    >>> most_false(1000, 0.001, 0.05), most_false(50, 0.001, 0.05)
    (3, 0)
    """
    if not 0 < rho <= 1:
        raise ValueError(f"rho is {rho}; it must lie in (0, 1]")
    low, high = -1, 1  # beyond `high` the tail is at most rho, beyond `low` it is more, or low is -1
    while upper_tail(high, clips, alpha) > rho:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if upper_tail(middle, clips, alpha) > rho else (low, middle)
    return high


def allowance(copies: Sequence[int], alpha: float, rho: float) -> int:
    """The number of clips whose certificates may be false, exceeded with probability at most `rho`, where some clips
    are the same sound. `copies[i]`: how many clips are sound i; their certificates come from the same votes and are
    false together. With most_false of the sounds false, at worst those are the ones with the most copies.

    >>> allowance([1] * 999 + [5], 0.001, 0.05)
    7
    """
    return sum(sorted(copies, reverse=True)[: most_false(len(copies), alpha, rho)])


def largest_alpha(clips: int, most: int, rho: float) -> float:
    """The largest alpha at which at most `most` of `clips` certificates are false with confidence 1 - rho, rounded down
    to two digits; what a gate that cannot pass is told to ask for. `most` >= 0.

    >>> largest_alpha(1000, 0, 0.05)
    5.1e-05
    """
    low, high = 0.0, 1.0
    while high - low > 1e-4 * high and high > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if upper_tail(most, clips, middle) <= rho else (low, middle)
    if low == 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(low)) - 1)
    return float(f"{math.floor(low / unit) * unit:.1e}")


def all_at_once(clips: int, alpha: float) -> float:
    """An upper bound of the probability that any of so many certificates is false, whatever they have in common
    (Bonferroni); at most 1.

    >>> all_at_once(60, 0.001)
    0.06
    """
    return float(min(Fraction(1), clips * Fraction(repr(alpha))))


def mcnemar(lost: int, won: int) -> float:
    """The exact one-sided p-value that a paired change for the worse is chance: P[Bin(lost + won, 1/2) >= lost].

    `lost` clips were held before and are not now, `won` the other way (McNemar 1947; exact as in Fagerland et al.
    2013). If neither run were more likely to hold a clip, and clips were independent, it would be at most p with
    probability at most p. 1 where nothing changed. Raises ValueError for negative counts.

    >>> mcnemar(8, 1), mcnemar(0, 0)
    (0.01953125, 1.0)
    """
    if lost < 0 or won < 0:
        raise ValueError(f"{lost} lost and {won} won are impossible")
    changed = lost + won
    ways, total = 1, 0  # of choosing k of the changed clips, for k = 0 up to won: as likely as `lost` or more lost
    for k in range(won + 1):
        total += ways
        ways = ways * (changed - k) // (k + 1)
    return float(Fraction(total, 2**changed))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (1979), in the order given: comparing them with a level keeps the probability of any
    false alarm within it, whatever the tests have in common.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, least = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = least
    return adjusted


def _log_probability(k: int, n: int, p: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return ways + k * math.log(p) + (n - k) * math.log1p(-p)


def _until_negligible(terms: Iterable[float]) -> list[float]:
    """Terms that fall from the first on, up to where the rest cannot change the sum."""
    kept: list[float] = []
    for term in terms:
        kept.append(term)
        if term <= kept[0] * 1e-20 or term == 0:
            break
    return kept
