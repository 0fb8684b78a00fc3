"""The terms in which a clip and a model agree: rates, gain policies, precisions. Imports nothing of this package."""

import math
from dataclasses import dataclass
from enum import StrEnum

# Rates with short ratios to each other: resampling one second from 44,101 Hz would take a minute and gigabytes.
ALLOWED_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 192000)


class GainPolicy(StrEnum):
    """How the scalar gain s of x = s * A * a is chosen."""

    RMS = "rms"  # RMS(x) = target
    PEAK = "peak"  # max |x| = target
    NONE = "none"  # s = 1


class Precision(StrEnum):
    """The numbers in which a network computes behind its front end, whose own are float32 always."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True)
class Gain:
    """A gain policy with its target amplitude (full scale 1): positive, or None under `none`.

    Raises ValueError when the two contradict each other.
    """

    policy: GainPolicy
    target: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "policy", GainPolicy(self.policy))
        if self.policy is GainPolicy.NONE:
            if self.target is not None:
                raise ValueError("gain policy 'none' takes no target")
        elif self.target is None or not (math.isfinite(self.target) and self.target > 0):
            raise ValueError(f"gain policy '{self.policy}' needs a positive, finite target, not {self.target}")
