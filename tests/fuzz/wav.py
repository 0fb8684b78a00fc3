"""The WAV reader, held to itself and to two readers that know nothing of it."""

import io
import struct
import warnings
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.io import wavfile
from tests.audio.wav_bytes import PCM, subformat

from soundproof import errors
from soundproof.audio import wav
from soundproof.audio.waveform import Waveform

MOST_S = 0.05
WORDS = (b"RIFF", b"WAVE", b"fmt ", b"data", b"LIST", b"\xfe\xff", subformat(PCM)[2:], struct.pack("<I", 16_000))


def check(data: bytes) -> None:
    """Any bytes are read or refused by a named AudioError that says what to do, the same every time.

    What is read takes no more memory than the bytes warrant, does not depend on what stands behind the RIFF chunk,
    is refused when its last byte is missing, and has the samples that other readers find, where they read it too.
    """
    found = _outcome(data)
    assert _same(found, _outcome(memoryview(bytearray(data)))), "another answer the second time"
    end = 8 + int.from_bytes(data[4:8], "little")
    if 12 <= end <= len(data):
        assert _same(found, _outcome(data[:end])), "what stands behind the RIFF chunk was looked at"
    if isinstance(found, errors.AudioError):
        assert type(found) is not errors.AudioError
        assert found.detail and found.hint, found  # noqa: PT018
        return
    assert found.samples.nbytes <= 2 * len(data)
    assert 1 <= found.frames <= MOST_S * found.sample_rate_hz
    assert np.isfinite(found.samples).all()
    assert found.peak <= wav.MAX_AMPLITUDE
    assert isinstance(_outcome(data[: end - 1]), errors.MalformedWav), "a file that is cut short was read"
    # libsndfile takes a LIST chunk of the type "data" for the data themselves.
    by_libsndfile = None if b"LIST" in data else _by_libsndfile(data[:end])
    for other in (_by_scipy(data), by_libsndfile):
        if other is not None:
            rate_hz, samples = other
            assert rate_hz == found.sample_rate_hz
            np.testing.assert_array_equal(found.samples, samples)


def _outcome(data: bytes | memoryview) -> Waveform | errors.AudioError:
    try:
        return wav.read(data, max_duration_s=MOST_S)
    except errors.AudioError as error:
        return error


def _same(one: Waveform | errors.AudioError, other: Waveform | errors.AudioError) -> bool:
    if isinstance(one, Waveform) and isinstance(other, Waveform):
        return one.sample_rate_hz == other.sample_rate_hz and one.digest == other.digest
    return type(one) is type(other) and str(one) == str(other)


def _by_scipy(data: bytes) -> tuple[int, NDArray[np.float64]] | None:
    """Rate and samples (channels, frames), full scale 1; None where it does not read this."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rate_hz, found = wavfile.read(io.BytesIO(data))
    except Exception:
        return None
    whole = {np.dtype("<i2"): 2.0**-15, np.dtype("<i4"): 2.0**-31}  # it shifts 24 bits up
    scale = whole.get(found.dtype, 1.0)
    return rate_hz, _planar(found.astype(np.float64) * scale)


def _by_libsndfile(data: bytes) -> tuple[int, NDArray[np.float64]] | None:
    try:
        found, rate_hz = soundfile.read(io.BytesIO(data), dtype="float64")
    except soundfile.SoundFileError:
        return None
    return rate_hz, _planar(found)


def _planar(found: Any) -> NDArray[np.float64]:
    frames_first = found[:, None] if found.ndim == 1 else found
    return np.ascontiguousarray(frames_first.T)
