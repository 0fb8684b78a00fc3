"""What a radius around the model's input means for the samples that were uploaded.

x = s * A * a (facts.py). A perturbation e of the file moves x by s * A * e as long as the gain s stays what it is for
the clean clip. A pipeline that computes the gain afresh from what it receives moves it otherwise; both are answered.
"""

import math
from dataclasses import dataclass

from soundproof.audio.facts import ClipFacts
from soundproof.stats.radius import round_down, snr_db
from soundproof.terms import GainPolicy

_LSB_PER_UNIT = 32768  # 16-bit steps in an amplitude of 1


@dataclass(frozen=True)
class GainRecomputed:
    """The radius in the file when the pipeline recomputes the gain on the perturbed file; fields as in FileDomain.

    `exact`: up to the bound of ||A||, no larger radius would hold in general. Otherwise it is only a lower bound.
    """

    radius: float
    snr_db: float | None
    exact: bool


@dataclass(frozen=True)
class FileDomain:
    """A certified radius, carried back to the uploaded samples; radii are rounded down, the SNRs up.

    `radius`: l2 norm over all uploaded samples (full scale 1) with the gain held at the clean clip's.
    `snr_db`: 20 log10(||a|| / radius): any perturbation of the file at this SNR or above is covered. None for a silent
    file, which has no SNR.
    `radius_dbfs`: the level of white noise of norm `radius`, 0 dBFS being RMS 1.
    `radius_lsb`: `radius` in steps of a 16-bit file.
    `operator_norm`: the upper bound of ||A|| that was used.
    """

    radius: float
    snr_db: float | None
    radius_dbfs: float
    radius_lsb: float
    operator_norm: float
    gain_recomputed: GainRecomputed


# ||x - s A a|| / (s ||A|| ||a||), at most: what float64 leaves open between the clip that was certified and the image
# of the file. The filters have under 1,000 taps; 2**-53 each, adding up like random signs, stays below a tenth of this.
_ROUNDING = 2.0**-42


def file_domain(radius: float, facts: ClipFacts) -> FileDomain | None:
    """Carry `radius` (> 0, l2, in the space of x) back to the file that `facts` describes.

    With the gain held: ||x' - x|| = s ||A e|| <= s ||A|| ||e||, so every ||e|| <= R / (s ||A||) is covered. R is first
    lessened by what rounding may have moved x. None where that leaves nothing.
    Raises ValueError if the radius is not positive and finite.
    """
    if not (math.isfinite(radius) and radius > 0):
        raise ValueError(f"a radius to carry back is positive and finite, not {radius}")
    radius = round_down(radius - _ROUNDING * facts.gain * facts.operator_norm * facts.file_norm)
    if radius <= 0:
        return None
    held = round_down(radius / (facts.gain * facts.operator_norm))
    reach, exact = _recomputed_reach(radius, facts)
    recomputed = round_down(reach / facts.operator_norm)
    return FileDomain(
        radius=held,
        snr_db=snr_db(facts.file_norm, held),
        radius_dbfs=round_down(20 * math.log10(held / math.sqrt(facts.channels * facts.frames))),
        radius_lsb=held * _LSB_PER_UNIT,
        operator_norm=facts.operator_norm,
        gain_recomputed=GainRecomputed(recomputed, snr_db(facts.file_norm, recomputed), exact),
    )


def _recomputed_reach(radius: float, facts: ClipFacts) -> tuple[float, bool]:
    """How far y = A a may move, in l2, before x = y * target / level(y) can move by more than `radius`; whether exact.

    RMS. All x lie on one sphere of radius ||x||, so the chord R is an angle theta with sin(theta / 2) = R / (2 ||x||).
    The nearest point to y at that angle is ||y|| sin(theta) away, until theta = 90 degrees (R = sqrt(2) ||x||): from
    there on the nearest is silence, ||y|| away.

    Peak, target t, p = max |y|. Let y' = y + e with ||e|| <= eta < p, p' = max |y'|; |p' - p| <= max |e| <= eta. Then
    ||x' - x|| = t ||e / p' + y (1/p' - 1/p)|| <= (t / p') (||e|| + ||y|| |p' - p| / p)
               <= t eta (1 + ||y||/p) / (p - eta),
    which is R at eta = R p / (t (1 + ||y||/p) + R). As s = t / p and t = max |x|, eta = (R / s) t / (t + ||x|| + R).
    """
    match facts.gain_policy:
        case GainPolicy.RMS:
            sine_of_half = min(radius / (2 * facts.norm), math.sqrt(0.5))
            sine = 2 * sine_of_half * math.sqrt(1 - sine_of_half**2)
            return facts.linear_norm * sine, radius <= math.sqrt(2) * facts.norm
        case GainPolicy.PEAK:
            return radius / facts.gain * facts.peak / (facts.peak + facts.norm + radius), False
        case GainPolicy.NONE:
            return radius / facts.gain, True
