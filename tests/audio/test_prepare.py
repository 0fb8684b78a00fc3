import math
import pickle

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike

from soundproof.audio.prepare import Prepared, prepare
from soundproof.audio.resample import operator_norm
from soundproof.audio.waveform import Waveform
from soundproof.errors import SilentAudio, UnsupportedRate
from soundproof.terms import Gain, GainPolicy

AS_IT_IS = Gain(GainPolicy.NONE)
RMS_1 = Gain(GainPolicy.RMS, 1.0)


def clip(samples: ArrayLike, rate_hz: int = 16000) -> Waveform:
    return Waveform(np.atleast_2d(np.asarray(samples, np.float32)), rate_hz)


def noise(channels: int, frames: int, rate_hz: int = 16000) -> Waveform:
    return clip(np.random.default_rng(frames).normal(scale=0.1, size=(channels, frames)), rate_hz)


def prepared(waveform: Waveform, clip_samples: int = 8, gain: Gain = AS_IT_IS) -> Prepared:
    return prepare(waveform, sample_rate_hz=16000, clip_samples=clip_samples, gain=gain)


@pytest.mark.parametrize(
    ("waveform", "gain", "steps"),
    [
        (noise(1, 8), AS_IT_IS, ()),
        (noise(1, 8), RMS_1, ("gain",)),
        (noise(2, 8), AS_IT_IS, ("mono",)),
        (noise(1, 12, 24000), AS_IT_IS, ("resample",)),
        (noise(1, 9), AS_IT_IS, ("crop_pad",)),
        (noise(1, 7), AS_IT_IS, ("crop_pad",)),
        (noise(2, 100, 48000), RMS_1, ("mono", "resample", "crop_pad", "gain")),
    ],
)
def test_steps_name_what_was_really_done(waveform: Waveform, gain: Gain, steps: tuple[str, ...]) -> None:
    assert prepared(waveform, gain=gain).facts.steps == steps


def test_untouched_clip_is_exact() -> None:
    result = prepared(clip([0.5, -0.25, 0.125]), 3)
    assert result.x.dtype == torch.float64
    assert result.x.tolist() == [0.5, -0.25, 0.125]
    assert (result.facts.gain, result.facts.operator_norm) == (1.0, 1.0)
    assert result.facts.norm == result.facts.linear_norm == result.facts.file_norm


@pytest.mark.parametrize(
    ("frames", "kept"),
    [
        (4, [1, 2, 3, 4]),
        (5, [1, 2, 3, 4]),
        (6, [2, 3, 4, 5]),
        (7, [2, 3, 4, 5]),
        (3, [1, 2, 3, 0]),
        (2, [0, 1, 2, 0]),
        (1, [0, 1, 0, 0]),
    ],
)
def test_crop_and_pad_are_centred_with_the_odd_frame_at_the_end(frames: int, kept: list[int]) -> None:
    result = prepared(clip(range(1, frames + 1)), 4)
    assert result.x.tolist() == kept
    assert result.facts.cropped_frames == max(frames - 4, 0)
    assert result.facts.padded_frames == max(4 - frames, 0)


def test_cropped_and_padded_frames_are_counted_at_the_models_rate() -> None:
    assert prepared(noise(1, 48000, 48000), 15000).facts.cropped_frames == 1000
    assert prepared(noise(1, 48000, 48000), 17000).facts.padded_frames == 1000


def test_stereo_is_averaged() -> None:
    result = prepared(clip([[1, 0.5, -1], [0, 0.25, 1]]), 3)
    assert result.x.tolist() == [0.5, 0.375, 0.0]
    assert result.facts.channels == 2
    assert result.facts.file_norm == pytest.approx(math.sqrt(1 + 0.25 + 1 + 0.0625 + 1), rel=1e-15)
    assert result.facts.operator_norm == pytest.approx(1 / math.sqrt(2), rel=1e-15)


def test_cropping_before_resampling_equals_cropping_after_it() -> None:
    waveform = noise(1, 44100, 44100)
    whole, part = prepared(waveform, 16000).x, prepared(waveform, 1000).x
    torch.testing.assert_close(part, whole[7500:8500], rtol=0, atol=1e-15)


def test_operator_norm_is_the_product_of_the_steps() -> None:
    facts = prepared(noise(2, 4800, 48000), 1600, RMS_1).facts
    assert facts.operator_norm == pytest.approx(operator_norm(48000, 16000) / math.sqrt(2), rel=1e-15)
    assert facts.linear_norm <= facts.operator_norm * facts.file_norm


@pytest.mark.parametrize("target", [1.0, 0.1])
def test_rms_gain_brings_the_whole_vector_to_its_target(target: float) -> None:
    result = prepared(noise(1, 1000), 1500, Gain(GainPolicy.RMS, target))
    assert math.sqrt(float(result.x.square().mean())) == pytest.approx(target, rel=1e-14)
    assert result.facts.norm == pytest.approx(target * math.sqrt(1500), rel=1e-14)
    assert result.facts.gain * result.facts.linear_norm == pytest.approx(result.facts.norm, rel=1e-14)


def test_peak_gain_brings_the_largest_sample_to_its_target() -> None:
    result = prepared(clip([0.1, -0.5, 0.2]), 3, Gain(GainPolicy.PEAK, 0.9))
    assert result.facts.peak == pytest.approx(0.9, rel=1e-15)
    assert result.facts.gain == pytest.approx(1.8, rel=1e-15)


def test_a_clip_of_one_sample_is_padded_and_prepared() -> None:
    for rate_hz in (8000, 16000, 44100):
        result = prepared(clip([0.5], rate_hz), 16000, RMS_1)
        assert result.x.shape == (16000,)
        assert result.facts.frames == 1
        assert result.facts.norm == pytest.approx(math.sqrt(16000), rel=1e-14)


@pytest.mark.parametrize("gain", [RMS_1, Gain(GainPolicy.PEAK, 1.0)])
@pytest.mark.parametrize(
    "waveform",
    [clip(np.zeros(8)), clip([[0.5, -0.5], [-0.5, 0.5]]), clip([1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1])],
    ids=["digital silence", "channels that cancel", "sound outside the crop"],
)
def test_nothing_to_bring_to_a_level_is_refused(waveform: Waveform, gain: Gain) -> None:
    with pytest.raises(SilentAudio):
        prepared(waveform, gain=gain)


def test_silence_passes_without_a_gain() -> None:
    facts = prepared(clip(np.zeros(8))).facts
    assert (facts.rms_dbfs, facts.peak_dbfs, facts.norm, facts.file_norm) == (None, None, 0.0, 0.0)


def test_the_faintest_sample_reaches_a_finite_level() -> None:
    result = prepared(clip([1e-45]), 16, RMS_1)
    assert result.facts.norm == pytest.approx(4, rel=1e-14)


def test_levels_describe_the_uploaded_file() -> None:
    facts = prepared(clip([[0.5, -0.5], [0.5, 0.5]], 32000), 8, RMS_1).facts
    assert facts.rms_dbfs == pytest.approx(-6.0206, abs=1e-4)
    assert facts.peak_dbfs == pytest.approx(-6.0206, abs=1e-4)
    assert (facts.sample_rate_hz, facts.frames, facts.duration_s) == (32000, 2, 2 / 32000)
    assert (facts.prepared_rate_hz, facts.dimension) == (16000, 8)


def test_a_rate_without_a_short_ratio_is_refused_at_once() -> None:
    with pytest.raises(UnsupportedRate):
        prepared(noise(1, 44101, 44101))


def test_waveform_and_facts_survive_pickling() -> None:
    waveform = noise(2, 5)
    copy = pickle.loads(pickle.dumps(waveform))  # noqa: S301
    np.testing.assert_array_equal(copy.samples, waveform.samples)
    assert copy.sample_rate_hz == waveform.sample_rate_hz
    facts = prepared(waveform, gain=RMS_1).facts
    assert pickle.loads(pickle.dumps(facts)) == facts  # noqa: S301


def test_norm_of_a_long_waveform_is_that_of_float64() -> None:
    waveform = noise(2, 200_000)
    assert waveform.norm == pytest.approx(float(np.linalg.norm(waveform.samples.astype(np.float64))), rel=1e-14)


@pytest.mark.parametrize(
    ("policy", "target"),
    [
        (GainPolicy.RMS, None),
        (GainPolicy.RMS, 0.0),
        (GainPolicy.PEAK, -1.0),
        (GainPolicy.PEAK, math.nan),
        (GainPolicy.RMS, math.inf),
        (GainPolicy.NONE, 1.0),
    ],
)
def test_gain_that_contradicts_itself_is_refused(policy: GainPolicy, target: float | None) -> None:
    with pytest.raises(ValueError, match="target"):
        Gain(policy, target)
