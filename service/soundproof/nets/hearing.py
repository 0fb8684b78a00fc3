"""Whether a feature extractor hears the whole clip: found out by asking it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundproof.errors import ModelRefused

Array = NDArray[np.float32]
HOPS_PER_SECOND = 100  # 10 ms, the hop of nearly every extractor: less than one may be left over at a clip's end


def probed(
    extractor: Any, sample_rate_hz: int, clip_samples: int, extracted: Callable[[Any, Array, int], Array]
) -> Array:
    """What the extractor makes of a clip of noise: (samples,) or (frames, bands) or (bands, frames).

    ModelRefused where it raises or cuts the clip off: a certificate would speak of sound that is never heard. What it
    adds to a shorter clip, as AST and Whisper do, is a part of the model like everything else it does to the clip.
    """
    generator = np.random.default_rng(0)
    clip, other = (0.1 * generator.standard_normal((2, clip_samples))).astype(np.float32)
    tail = min(clip_samples, _hop(extractor, sample_rate_hz))
    ended_otherwise = np.concatenate([clip[: clip_samples - tail], other[clip_samples - tail :]])
    try:
        answer, changed = (extracted(extractor, part, sample_rate_hz) for part in (clip, ended_otherwise))
    except ModelRefused:
        raise
    except Exception as error:  # its settings may hold anything; what they break is broken inside it
        reason = str(error).partition("\n")[0][:300]
        raise ModelRefused(f"the extractor cannot take a clip: {type(error).__name__}: {reason}.") from error
    if answer.ndim == 1 and answer.size != clip_samples:
        raise ModelRefused(f"the extractor makes {answer.size} samples of a clip of {clip_samples}.")
    if np.array_equal(answer, changed):
        raise ModelRefused(
            f"the extractor does not hear the end of a clip of {clip_samples} samples: it is cut off.",
            "Choose fewer clip_samples (--samples), or a larger max_length in preprocessor_config.json, "
            "with config.json's to match.",
        )
    return answer


def _hop(extractor: Any, sample_rate_hz: int) -> int:
    """The samples that one frame of the answer goes on by; of several frames in one, all of theirs."""
    hop, stride = getattr(extractor, "hop_length", None), getattr(extractor, "stride", None)
    samples = max(sample_rate_hz // HOPS_PER_SECOND, hop if isinstance(hop, int) else 1)
    return samples * max(1, stride if isinstance(stride, int) else 1)
