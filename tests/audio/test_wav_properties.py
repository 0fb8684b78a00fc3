import struct
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audio.wav_bytes import (
    EXTENSIBLE,
    FLOAT,
    FMT,
    LIST,
    ODD,
    PCM,
    chunk,
    encode_floats,
    encode_integers,
    encode_pcm16,
    fmt_body,
    riff,
    subformat,
    wav_bytes,
)
from tests.fuzz.wav import check

from soundproof import errors
from soundproof.audio import wav
from soundproof.terms import ALLOWED_RATES_HZ

# The same examples every time, and no deadline: a busy machine is no failure.
steady = settings(derandomize=True, deadline=None)
channel_counts = st.sampled_from([1, 2])
rates = st.sampled_from(ALLOWED_RATES_HZ)


@steady
@given(st.data(), channel_counts, rates, st.sampled_from([16, 24, 32]), st.booleans())
def test_integers_round_trip(data: st.DataObject, channels: int, rate_hz: int, bits: int, extensible: bool) -> None:
    half = 2 ** (bits - 1)
    frame = st.lists(st.integers(-half, half - 1), min_size=channels, max_size=channels)
    frames = data.draw(st.lists(frame, min_size=1, max_size=30))
    tag = EXTENSIBLE if extensible else PCM
    read = wav.read(wav_bytes(encode_integers(frames, bits), tag=tag, channels=channels, bits=bits, rate_hz=rate_hz))
    assert read.sample_rate_hz == rate_hz
    np.testing.assert_array_equal(read.samples, np.array(frames).T / half)


@steady
@given(st.data(), channel_counts, rates, st.booleans())
def test_floats_round_trip(data: st.DataObject, channels: int, rate_hz: int, extensible: bool) -> None:
    frame = st.lists(st.floats(-4, 4, width=32), min_size=channels, max_size=channels)
    frames = data.draw(st.lists(frame, min_size=1, max_size=30))
    tag = EXTENSIBLE if extensible else FLOAT
    body = encode_floats(frames)
    read = wav.read(
        wav_bytes(body, tag=tag, channels=channels, bits=32, rate_hz=rate_hz, subformat_guid=subformat(FLOAT))
    )
    np.testing.assert_array_equal(read.samples, np.array(frames, np.float32).T)


@steady
@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=30), rates)
def test_16_bit_amplitudes_survive_writing_and_reading(integers: list[int], rate_hz: int) -> None:
    samples = np.array([integers], np.float32) / 32768
    np.testing.assert_array_equal(wav.read(encode_pcm16(samples, rate_hz)).samples, samples)


def reads_or_refuses(data: bytes) -> None:
    try:
        waveform = wav.read(data, max_duration_s=1)
    except errors.AudioError as error:
        refusal: errors.AudioError | None = error
    else:
        refusal = None
        assert waveform.samples.shape == (waveform.channels, waveform.frames)
        assert waveform.channels in (1, 2)
        assert 1 <= waveform.frames <= waveform.sample_rate_hz
        assert waveform.peak <= wav.MAX_AMPLITUDE
    if refusal is not None:
        assert type(refusal) is not errors.AudioError
        assert refusal.detail
        assert refusal.hint


@steady
@given(st.binary(max_size=200), st.sampled_from([b"", b"RIFF", b"RIFF\xff\0\0\0WAVE", riff(FMT)]))
def test_any_bytes_are_read_or_refused(tail: bytes, head: bytes) -> None:
    reads_or_refuses(head + tail)


VALID = [
    wav_bytes(bytes(range(24)), before_data=[LIST]),
    wav_bytes(bytes(range(24)), channels=2, bits=24, after_data=[ODD]),
    wav_bytes(encode_floats([0.1, -0.2, 0.3, 4.0]), tag=FLOAT, channels=2, bits=32, fmt_size=18),
    wav_bytes(bytes(range(24)), tag=EXTENSIBLE, bits=32),
]
interesting_words = st.sampled_from([0, 1, 2, 3, 16, 0x7F, 0x80, 0xFE, 0xFF, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF])


@steady
@given(
    st.sampled_from(VALID),
    st.lists(st.tuples(st.integers(0, 100), st.sampled_from(["<B", "<H", "<I"]), interesting_words), max_size=4),
    st.integers(0, 120),
)
def test_a_mutated_file_is_read_or_refused(valid: bytes, writes: list[tuple[int, str, int]], length: int) -> None:
    mutated = bytearray(valid)
    for offset, word, value in writes:
        size = struct.calcsize(word)
        if offset + size <= len(mutated):
            struct.pack_into(word, mutated, offset, value % (1 << 8 * size))
    reads_or_refuses(bytes(mutated[:length] if writes and length < len(mutated) else mutated))
    reads_or_refuses(bytes(mutated))


names = st.sampled_from(
    [b"fmt ", b"data", b"LIST", b"fact", b"bext", b"ds64", b"RIFF", b"\0\0\0\0", b"\xff\xfe\xfd\xfc"]
)
sizes = st.sampled_from([None, None, None, 0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF])
formats = st.builds(
    fmt_body,
    tag=st.sampled_from([PCM, PCM, FLOAT, EXTENSIBLE, 2, 6]),
    channels=st.sampled_from([0, 1, 1, 2, 3, 0xFFFF]),
    rate_hz=rates | st.integers(0, 2**32 - 1),
    bits=st.sampled_from([0, 8, 16, 16, 20, 24, 32, 64]),
    valid_bits=st.none() | st.integers(0, 64),
    subformat_guid=st.none() | st.just(subformat(FLOAT)) | st.binary(min_size=16, max_size=16),
)
chunks = st.builds(chunk, names, st.binary(max_size=24), size=sizes, pad=st.booleans()) | formats.map(
    lambda body: chunk(b"fmt ", body)
)


@steady
@given(st.lists(chunks, max_size=6), sizes, st.binary(max_size=9))
def test_whatever_chunks_there_are_other_readers_read_the_same(
    parts: list[bytes], size: int | None, after: bytes
) -> None:
    check(riff(*parts, size=size, after=after))


readable = st.builds(
    fmt_body,
    tag=st.sampled_from([PCM, PCM, FLOAT, EXTENSIBLE]),
    channels=channel_counts,
    rate_hz=rates,
    bits=st.sampled_from([16, 24, 32]),
    subformat_guid=st.sampled_from([subformat(PCM), subformat(FLOAT)]),
)
skipped = st.builds(chunk, names.filter(lambda name: name not in (b"fmt ", b"data")), st.binary(max_size=24))


@steady
@given(readable, st.lists(skipped, max_size=2), st.integers(1, 3), st.randoms(), st.lists(skipped, max_size=2))
def test_a_file_with_other_chunks_around_its_own_is_read_as_others_read_it(
    fmt: bytes, before: list[bytes], blocks: int, random: Random, behind: list[bytes]
) -> None:
    body = random.randbytes(24 * blocks)  # whole frames, whatever they are
    check(riff(chunk(b"fmt ", fmt), *before, chunk(b"data", body), *behind))
