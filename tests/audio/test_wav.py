import io
import wave

import numpy as np
import pytest
from tests.audio.wav_bytes import (
    EXTENSIBLE,
    FLOAT,
    FRAME,
    LIST,
    ODD,
    chunk,
    encode_floats,
    encode_integers,
    subformat,
    wav_bytes,
)

from soundproof.audio import wav
from soundproof.terms import ALLOWED_RATES_HZ


def read_samples(data: bytes) -> list[list[float]]:
    samples: list[list[float]] = wav.read(data).samples.tolist()
    return samples


@pytest.mark.parametrize(
    ("bits", "integers"),
    [
        (16, [0, 1, -1, 32767, -32768]),
        (24, [0, 1, -1, 2**23 - 1, -(2**23)]),
        (32, [0, 1, -1, 2**31 - 1, -(2**31)]),
    ],
)
def test_integers_are_divided_by_full_scale(bits: int, integers: list[int]) -> None:
    waveform = wav.read(wav_bytes(encode_integers(integers, bits), bits=bits))
    assert waveform.samples.dtype == (np.float64 if bits == 32 else np.float32)  # the smaller that holds them exactly
    assert waveform.samples.tolist() == [[value / 2 ** (bits - 1) for value in integers]]
    assert (waveform.channels, waveform.frames, waveform.sample_rate_hz) == (1, 5, 16000)


def test_the_same_sound_has_the_same_digest_in_every_encoding_and_container() -> None:
    values = [1, -2, 300, -32768]
    same = {
        wav.read(wav_bytes(encode_integers(values, 16))).digest,
        wav.read(wav_bytes(encode_integers([value << 16 for value in values], 32), bits=32)).digest,
        wav.read(wav_bytes(encode_floats([value / 32768 for value in values]), tag=FLOAT, bits=32)).digest,
        wav.read(wav_bytes(encode_integers(values, 16), before_fmt=[LIST], after_riff=b"tail")).digest,
    }
    assert len(same) == 1
    assert wav.read(wav_bytes(encode_integers(values, 16), rate_hz=8000)).digest not in same
    assert wav.read(wav_bytes(encode_integers(values, 16), channels=2)).digest not in same


def test_floats_are_read_as_they_are_even_beyond_full_scale() -> None:
    values = [0.0, -0.25, 1.5, -4.0, 1e-45]
    waveform = wav.read(wav_bytes(encode_floats(values), tag=FLOAT, bits=32))
    np.testing.assert_array_equal(waveform.samples, np.array([values], np.float32))


def test_stereo_is_deinterleaved() -> None:
    assert read_samples(wav_bytes(encode_integers([1, 2, 3, 4], 16), channels=2)) == [
        [1 / 32768, 3 / 32768],
        [2 / 32768, 4 / 32768],
    ]


@pytest.mark.parametrize("rate_hz", ALLOWED_RATES_HZ)
def test_every_allowed_rate_is_read(rate_hz: int) -> None:
    assert wav.read(wav_bytes(FRAME, rate_hz=rate_hz)).sample_rate_hz == rate_hz


@pytest.mark.parametrize(
    "data",
    [
        wav_bytes(FRAME, fmt_size=18),
        wav_bytes(FRAME, tag=EXTENSIBLE),
        wav_bytes(FRAME, tag=EXTENSIBLE, valid_bits=12, channel_mask=4),
        wav_bytes(FRAME, before_fmt=[LIST]),
        wav_bytes(FRAME, before_data=[ODD, LIST]),
        wav_bytes(FRAME, after_data=[LIST, ODD]),
        wav_bytes(FRAME, after_data=[chunk(b"junk", b"abc", pad=False)]),
        wav_bytes(FRAME, after_riff=b"ID3 or anything else"),
    ],
    ids=["fmt of 18", "extensible", "valid bits", "LIST", "odd chunk", "after", "unpadded last chunk", "after RIFF"],
)
def test_layout_does_not_change_the_samples(data: bytes) -> None:
    assert read_samples(data) == [[0x0201 / 32768]]


def test_extensible_float_is_read() -> None:
    data = wav_bytes(encode_floats([0.5]), tag=EXTENSIBLE, bits=32, subformat_guid=subformat(FLOAT))
    assert read_samples(data) == [[0.5]]


def test_odd_data_chunk_of_24_bits_is_padded_and_what_follows_is_found() -> None:
    assert read_samples(wav_bytes(encode_integers([-(2**23)], 24), bits=24, after_data=[LIST])) == [[-1.0]]


def test_a_memoryview_is_read_like_bytes_and_never_aliased() -> None:
    upload = bytearray(wav_bytes(encode_floats([0.5]), tag=FLOAT, bits=32))
    waveform = wav.read(memoryview(upload))
    upload[-4:] = b"\0\0\0\0"
    assert waveform.samples.tolist() == [[0.5]]


def test_what_the_standard_library_writes_is_read() -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(3)
        writer.setframerate(48000)
        writer.writeframes(encode_integers([1, 2, 3], 24))
    np.testing.assert_array_equal(wav.read(file.getvalue()).samples, np.array([[1, 2, 3]]) / 2**23)
