"""What a certificate says about a clip apart from the votes.

Plain numbers: the API process holds them without torch.
"""

from dataclasses import dataclass

from soundproof.terms import GainPolicy


@dataclass(frozen=True, kw_only=True)
class ClipFacts:
    """The clip and its way to the model: x = gain * A * a.

    a is the uploaded file's samples (all channels, full scale 1), A the linear part (mono mix, resampling, crop or
    pad), x the model's input of `dimension` samples at `prepared_rate_hz`. Norms are l2 norms in amplitude, in float64.
    """

    # The file, as uploaded.
    sample_rate_hz: int
    channels: int
    frames: int
    duration_s: float
    rms_dbfs: float | None  # None for digital silence
    peak_dbfs: float | None  # None for digital silence
    file_norm: float  # ||a|| over all samples of all channels

    # The preparation.
    steps: tuple[str, ...]  # of "mono", "resample", "crop_pad", "gain": those that were really done, in this order
    cropped_frames: int  # frames dropped, counted at prepared_rate_hz
    padded_frames: int  # zeros added, counted at prepared_rate_hz
    gain_policy: GainPolicy
    gain_target: float | None  # amplitude; None under policy "none"
    gain: float  # the scalar s
    operator_norm: float  # an upper bound of ||A||
    linear_norm: float  # ||A a||, before the gain

    # The model's input.
    norm: float  # ||x||
    peak: float  # max |x|
    dimension: int  # samples in x
    prepared_rate_hz: int
