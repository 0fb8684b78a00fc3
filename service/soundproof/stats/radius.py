"""From confidence bounds to certified l2 radii and back, rounded so that nothing is ever overstated."""

import math

from scipy.special import ndtri

from soundproof.stats.bounds import error_upper_bound
from soundproof.stats.rounding import format_down, format_up, round_down, round_up
from soundproof.stats.slack import NO_SLACK, Slack

__all__ = [
    "format_down",
    "format_up",
    "multiclass_radius",
    "radius",
    "radius_ceiling",
    "round_down",
    "round_up",
    "smallest_n_for",
    "snr_db",
]

# In sigmas. Beyond it the number of votes needed, over 10**299, leaves the range of floats.
_REACH = 37.0


def radius(sigma: float, error_upper: float) -> float | None:
    """The radius within which the smoothed classifier's answer cannot change, or None to abstain (error_upper >= 1/2).

    If under noise N(0, sigma^2 I) the class has probability p >= 1 - error_upper, no other class overtakes it within
    l2 distance sigma * Phi^-1(1 - error_upper) (Cohen et al. 2019, Theorem 1 with p_B = 1 - p_A). So if `error_upper`
    holds with probability >= 1 - alpha, the radius does. In the unit of `sigma`, rounded down.

    Raises ValueError unless sigma is positive and finite and 0 < error_upper <= 1.

    >>> round(radius(1.0, error_upper_bound(9900, 10000, 0.001)), 9)
    2.212419665
    """
    return multiclass_radius(sigma, error_upper, error_upper)


def multiclass_radius(sigma: float, error_upper: float, runner_up_upper: float) -> float | None:
    """The radius from bounds on the top class A and on the runner-up B, or None to abstain (not positive).

    If p_A >= 1 - error_upper and p_j <= p_B for every other class j, the answer cannot change within l2 distance
    sigma / 2 * (Phi^-1(p_A) - Phi^-1(p_B)) (Cohen et al. 2019, Theorem 1). p_B is `runner_up_upper`, or `error_upper`
    where that is smaller: the others together have no more. Compute both at alpha / 2, then the radius holds with
    probability >= 1 - alpha; no correction over classes is needed, as the true runner-up is one fixed class and the
    largest count is at least its count. In the unit of `sigma`, rounded down.

    Raises ValueError unless sigma is positive and finite and both bounds lie in (0, 1].

    >>> from soundproof.stats.bounds import share_upper_bound
    >>> top, runner_up = error_upper_bound(6000, 10000, 0.0005), share_upper_bound(500, 10000, 0.0005)
    >>> round(multiclass_radius(1.0, top, runner_up), 9)
    0.893525693
    """
    _check_positive("sigma", sigma)
    for bound in (error_upper, runner_up_upper):
        if not 0 < bound <= 1:
            raise ValueError(f"an upper bound of a probability is {bound}; it must be above 0 and at most 1")
    # Each quantile is rounded down by itself: where p_A < 1/2 they nearly cancel, and so would a margin on their sum.
    top = round_down(-float(ndtri(error_upper)))
    runner_up = round_down(-float(ndtri(min(runner_up_upper, error_upper))))
    claimed = round_down(sigma * (top + runner_up) / 2)
    return claimed if claimed > 0 else None


def radius_ceiling(sigma: float, n: int, alpha: float, slack: Slack = NO_SLACK) -> float:
    """The radius that `n` unanimous votes give: no votes give more, and k = n gives exactly this (saturation).

    For the multi-class bound pass alpha / 2, the share of its bound on the top class; unanimous votes leave the
    runner-up the same bound, so the ceiling is the same formula. 0.0 when n < smallest_n(alpha): nothing can be
    certified, or `slack` leaves nothing. In the unit of `sigma`, rounded down like the radius.

    Raises ValueError unless sigma is positive and finite, n >= 1 and 0 < alpha < 1.

    >>> round(radius_ceiling(1.0, 10**8, 0.001), 9)
    5.267684741
    """
    return slack.lessened(radius(sigma, slack.widened(error_upper_bound(n, n, alpha)))) or 0.0


def smallest_n_for(sigma: float, target_radius: float, alpha: float) -> int:
    """The smallest number of votes whose ceiling reaches `target_radius`, in the unit of `sigma`.

    With one vote fewer not even unanimous votes certify that radius. For the multi-class bound pass alpha / 2.
    Raises ValueError unless sigma and target_radius are positive and finite and 0 < alpha < 1, and if target_radius
    is beyond 37 sigma, where no number of votes is practical.

    >>> smallest_n_for(1.0, 3.19857751, 0.001)
    10000
    """
    _check_positive("target_radius", target_radius)
    _check_positive("sigma", sigma)
    if target_radius > _REACH * sigma:
        raise ValueError(f"a radius of {target_radius} at sigma {sigma} is beyond {_REACH:g} sigma: out of reach")
    enough = 1
    while radius_ceiling(sigma, enough, alpha) < target_radius:
        enough *= 2
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if radius_ceiling(sigma, middle, alpha) < target_radius:
            too_few = middle
        else:
            enough = middle
    return enough


def snr_db(norm: float, radius: float) -> float | None:
    """The signal-to-noise ratio of a perturbation of l2 norm `radius` beside a signal of l2 norm `norm`, rounded up.

    20 log10(norm / radius) in dB: any perturbation at this SNR or above lies within the radius. `norm` and `radius`
    are in the same unit and space. None when norm is 0: a silent vector has no SNR.

    Raises ValueError unless norm is finite and not negative and radius positive and finite.

    >>> round(snr_db(126.49110640673517, 0.00799644378684583), 9)
    83.983262055
    """
    _check_positive("radius", radius)
    if norm == 0:
        return None
    _check_positive("norm", norm)
    # The ratio is rounded up too: near 0 dB the logarithm turns its last place into a large relative error.
    return round_up(20 * math.log10(round_up(norm / radius)))


def _check_positive(name: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} is {value}; it must be positive and finite")
