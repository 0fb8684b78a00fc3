"""The lattice of the sound mode: smoothing for which Cohen's theorem holds of the very numbers that are computed.

The gap it closes. The theorem is about exact Gaussians added to real numbers. `float(x + sigma * z)` is neither: which
floats it can reach, and which last bits they have, tells x. A classifier that looks at those bits answers one class
around x and another around a point close by, under the very noise that certified both (Jin et al. arXiv:2205.10159;
Voracek and Hein, ICLR 2023). tests/smoothing/test_floating_point.py does it with this service's float noise.

The remedy. Let delta > 0 be the step, [y] the point of the lattice delta Z^d nearest to y, f the classifier with all
that stands before it (transform, features) as a function of float32 numbers, Z ~ N(0, sigma^2 I) real, and

    h(y) = f(float32([y])), a function on all real y;    g(y) = argmax_c P(h(y + Z) = c), its exact smoothing.

(1) Cohen et al. 2019, Theorem 1, for h: if P(h(y + Z) = A) >= 1 - q with q < 1/2, then g = A at every real point within
    R = -sigma Phi^-1(q) of y. Nothing is asked of h, hence of f and of the rounding to float32, but to be a function.
(2) At a lattice point y = delta m, almost surely [y + Z] = delta (m + K), K_i = round(Z_i / delta): the noise is
    independent integers, each a rounded Gaussian. They are added without error (lattice_noise.py) and the step is a
    power of two, so f sees delta (m + K), rounded once to float32: the votes at y are votes of h(y + Z), not nearly so.
(3) A clip x is answered for at [x], where the votes are drawn: call G(x) = g([x]) the classifier that the service is.
    Rounding moves each number by at most delta / 2, a point by at most delta sqrt(d) / 2. So if R is the radius of (1)
    at [x], then for every real x' within R - delta sqrt(d) of x: ||[x'] - [x]|| <= R and G(x') = A; and
    ||x' - [x]|| <= R, so g(x') = A too. This is why the radius loses `distance_slack`: half of it because x is moved,
    the other half because x' is. It is the certified-space radius that loses it; the file's radius is derived from
    that, and loses nothing more. Where x and x' both lie on the lattice, as 16-bit files do with no gain, (1) and (2)
    hold with nothing lost; that case is not singled out, since the slack is 1e-4 sigma for a second at 16 kHz.

Why the step follows from sigma alone. A lattice that came with the clip (its own 16-bit steps times its gain, or one
through x itself) would save that slack and give the gap back: the support of the noise would again tell which clip it
is around, each clip being answered by another h. Only the steps of one lattice make one G for all of them: for other
clips, for files of other formats, and for a gain computed anew from the perturbed file.

What is still assumed.
- The random words are independent and uniform: they are Philox's, a pseudo-random function of key and address.
- Each number is drawn from 64 such bits, so its law is off by `variation` in total variation, a vote's by d times that.
  Votes with P~(A) >= 1 - q show P(A) >= 1 - q - d * variation: `error_slack` is added to the error bound, whatever n
  is. (It needs no union bound over n, and alpha stays as it is.) numpy's ziggurat draws of float64 would be as fast,
  but no such bound has been proven for them: its tables, its 53-bit uniforms and its exponential in the tail are
  all rounded. Here the Gaussian's quantile is computed approximately too, but wherever it comes near enough to the
  middle between two integers for that to matter, the integer is decided in 60-digit arithmetic (lattice_noise.py).
- That the approximate quantile errs by less than 2^-42: its authors state 2^-47, and a test checks 2^-46 on a sample.
- f is a function: the same float32 numbers get the same answer, wherever they stand in a batch (tests/models).
- R and q are computed in floats, with directed rounding whose margin is far above their errors (stats/rounding.py).

No torch here: plans and outcomes are made where nothing is drawn.
"""

import math
from dataclasses import dataclass

from soundproof.stats.rounding import round_up
from soundproof.stats.slack import Slack

# sigma / step lies in [2^20, 2^21). More steps shrink `distance_slack` and grow `error_slack`; here the two cost about
# the same: for one second at 16 kHz 1.2e-4 sigma, and 2e-8 on an error bound that 10,000 votes leave at 7e-4 or more.
_STEPS_PER_SIGMA_LOG2 = 20


@dataclass(frozen=True)
class Lattice:
    """All multiples of one step, for noise of standard deviation `sigma` (positive) in any number of dimensions."""

    sigma: float

    @property
    def step(self) -> float:
        """A power of two, in the unit of sigma."""
        _, exponent = math.frexp(self.sigma)  # 2^(exponent - 1) <= sigma < 2^exponent
        return math.ldexp(1.0, exponent - 1 - _STEPS_PER_SIGMA_LOG2)

    @property
    def steps_per_sigma(self) -> float:
        """sigma / step: exact, since the step is a power of two."""
        return self.sigma / self.step

    def distance_slack(self, dimension: int) -> float:
        """What the radius loses so that it holds around the clip for every clip, each moved to the lattice: step *
        sqrt(dimension), rounded up. In the unit of sigma."""
        return round_up(self.step * math.sqrt(dimension))

    def error_slack(self, dimension: int) -> float:
        """What the upper bound on a class's error gains for noise drawn from finitely many bits, rounded up: the total
        variation distance between the noise as drawn and Gaussians rounded to the lattice is at most this."""
        return round_up(dimension * variation(self.steps_per_sigma))

    def slack(self, dimension: int) -> Slack:
        """Both."""
        return Slack(self.error_slack(dimension), self.distance_slack(dimension))


def slack_in_sigmas(dimension: int) -> Slack:
    """At least the slack of every lattice, whatever its sigma, the distance in sigmas."""
    return Slack(Lattice(math.nextafter(2.0, 0.0)).error_slack(dimension), Lattice(1.0).distance_slack(dimension))


def variation(steps_per_sigma: float) -> float:
    """An upper bound of the total variation distance between one integer as drawn from a 64-bit word
    (lattice_noise.rounded_normal) and round(s N), N standard normal, s = `steps_per_sigma`: (10 s + 1) 2^-64.

    With Q(t) = P(N >= t) and t_k = (k - 1/2) / s, P(|K| >= k) should be 2 Q(t_k) and is the share of the 2^63 numbers
    (v + 1/2) 2^-64 up to Q(t_k), doubled: off by at most 2^-64, and by no more than 2 Q(t_k) once that share is none.
    The sign is exact and independent. Half the sum of |p~_k - p_k| is at most the sum of these errors over k >= 1: at
    most 9.3 s + 1/2 of them have t_k <= 9.3; beyond, no word reaches and they sum to less than 2 Q(9.3) + s * (integral
    of 2 Q from 9.3) <= 2 Q(9.3) (1 + s / 9.3) < (0.3 + 0.1 s) 2^-64.
    """
    return (10 * steps_per_sigma + 1) * 2.0**-64
