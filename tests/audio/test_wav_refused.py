import struct
import tracemalloc

import pytest
from tests.audio.wav_bytes import (
    CLAIM_4_GB,
    DATA,
    EXTENSIBLE,
    FLOAT,
    FMT,
    FRAME,
    LIST,
    PCM,
    chunk,
    encode_floats,
    encode_integers,
    riff,
    subformat,
    wav_bytes,
)

from soundproof import errors
from soundproof.audio import wav
from soundproof.terms import ALLOWED_RATES_HZ


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"RIFX", "RIFX"),
        (b"RF64", "RF64"),
        (b"fLaC", "FLAC"),
        (b"ID3\4", "MP3"),
        (b"\xff\xfb\x90\x00", "MP3"),
        (b"\xff\xf1\x50\x80", "AAC"),
        (b"OggS", "Ogg"),
        (b"PK\3\4", "zip"),
        (b"FORM", "AIFF"),
        (b"\0\0\0\x20ftypM4A ", "MP4"),
        (b"\x1a\x45\xdf\xa3", "WebM"),
        (b"hello, world", "no known audio"),
        (b"R", "no known audio"),
    ],
)
def test_other_containers_are_named(head: bytes, name: str) -> None:
    with pytest.raises(errors.UnsupportedAudio, match=name) as caught:
        wav.read(head + (b"\0" * 64 if len(head) > 1 else b""))
    assert "ffmpeg" in caught.value.hint


def test_a_riff_file_of_another_form_is_named() -> None:
    with pytest.raises(errors.UnsupportedAudio, match="AVI"):
        wav.read(riff(FMT, DATA, form=b"AVI "))


@pytest.mark.parametrize(
    ("tag", "bits", "name"),
    [
        (PCM, 8, "PCM of 8 bits"),
        (PCM, 12, "PCM of 12 bits"),
        (PCM, 64, "PCM of 64 bits"),
        (FLOAT, 64, "float of 64 bits"),
        (FLOAT, 16, "float of 16 bits"),
        (2, 4, "Microsoft ADPCM"),
        (6, 8, "A-law"),
        (7, 8, "mu-law"),
        (0x11, 4, "IMA ADPCM"),
        (0x55, 0, "MP3"),
        (0, 16, "0x0000"),
        (0xABCD, 16, "0xABCD"),
    ],
)
def test_other_encodings_are_named(tag: int, bits: int, name: str) -> None:
    for fmt_size in (16, 18, 20, 50):
        with pytest.raises(errors.UnsupportedAudio, match=name):
            wav.read(wav_bytes(b"\0" * 8, tag=tag, bits=bits, fmt_size=fmt_size))


@pytest.mark.parametrize(
    ("guid", "bits", "name"),
    [
        (subformat(6), 8, "A-law"),
        (subformat(FLOAT), 64, "float of 64 bits"),
        (subformat(EXTENSIBLE), 16, "0xFFFE"),
        (b"\1\0" + b"\7" * 14, 16, "unknown subformat"),
    ],
)
def test_other_subformats_are_named(guid: bytes, bits: int, name: str) -> None:
    with pytest.raises(errors.UnsupportedAudio, match=name):
        wav.read(wav_bytes(b"\0" * 8, tag=EXTENSIBLE, bits=bits, subformat_guid=guid))


@pytest.mark.parametrize("channels", [0, 3, 6, 1024, 65535])
def test_only_mono_and_stereo_are_read(channels: int) -> None:
    with pytest.raises(errors.UnsupportedChannels, match=f"{channels:,} channels"):
        wav.read(wav_bytes(b"\0" * 12, channels=channels))


@pytest.mark.parametrize("rate_hz", [0, 1, 44101, 15999, 2**31 - 1, 2**32 - 1])
def test_other_rates_are_refused_with_the_list_of_allowed_ones(rate_hz: int) -> None:
    with pytest.raises(errors.UnsupportedRate, match=f"{rate_hz:,} Hz") as caught:
        wav.read(wav_bytes(FRAME, rate_hz=rate_hz))
    assert all(f"{allowed:,}" in caught.value.hint for allowed in ALLOWED_RATES_HZ)


MALFORMED = {
    "the magic alone": b"RIFF",
    "a cut RIFF header": riff(FMT, DATA)[:11],
    "a cut fmt chunk": riff(FMT, DATA)[:30],
    "a cut data chunk": wav_bytes(b"\0" * 100)[:-1],
    "nothing after the form": riff(),
    "no fmt chunk": riff(LIST),
    "no data chunk": riff(FMT, LIST),
    "data before fmt": riff(DATA, FMT),
    "two fmt chunks": riff(FMT, FMT, DATA),
    "two data chunks": riff(FMT, DATA, DATA),
    "RIFF size of 4 GB": wav_bytes(FRAME, riff_size=CLAIM_4_GB),
    "RIFF size of 0": wav_bytes(FRAME, riff_size=0),
    "RIFF size that ends before the data": wav_bytes(FRAME, riff_size=36),
    "data size of 4 GB": wav_bytes(FRAME, data_size=CLAIM_4_GB),
    "data size of 2 GB": wav_bytes(FRAME, data_size=0x7FFFFFFF),
    "data size one block too large": wav_bytes(FRAME, data_size=4),
    "sizes left open by a stream": wav_bytes(FRAME, riff_size=CLAIM_4_GB, data_size=CLAIM_4_GB),
    "a chunk whose end overflows 32 bits": wav_bytes(FRAME, before_data=[chunk(b"junk", b"", size=CLAIM_4_GB - 20)]),
    "a chunk whose padded end overflows": wav_bytes(FRAME, before_data=[chunk(b"junk", b"", size=CLAIM_4_GB)]),
    "100,000 tiny chunks": riff(FMT, chunk(b"tiny", b"") * 100_000, DATA),
    "1,001 chunks": riff(FMT, DATA, chunk(b"tiny", b"") * 999),
    "stray bytes": riff(FMT, DATA, b"\0\0\0"),
    "odd data size": wav_bytes(b"\0\0\0"),
    "half a stereo frame": wav_bytes(b"\0\0", channels=2),
    "block align of 0": wav_bytes(FRAME, block_align=0),
    "block align of 1": wav_bytes(FRAME, block_align=1),
    "block align of 65535": wav_bytes(FRAME, block_align=65535),
    "fmt of 14 bytes": wav_bytes(FRAME, fmt_size=14),
    "fmt of 17 bytes": wav_bytes(FRAME, fmt_size=17),
    "fmt of 40 bytes without being extensible": wav_bytes(FRAME, fmt_size=40),
    "an extension that is not there": wav_bytes(FRAME, fmt_size=18, extension_size=22),
    "extensible but short": wav_bytes(FRAME, tag=EXTENSIBLE, fmt_size=18),
    "extensible but long": wav_bytes(FRAME, tag=EXTENSIBLE, fmt_size=44),
    "extensible without an extension": wav_bytes(FRAME, tag=EXTENSIBLE, extension_size=0),
    "more valid bits than bits": wav_bytes(FRAME, tag=EXTENSIBLE, valid_bits=24),
    "no valid bits": wav_bytes(FRAME, tag=EXTENSIBLE, valid_bits=0),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_file_that_contradicts_itself_is_refused(data: bytes) -> None:
    with pytest.raises(errors.MalformedWav) as caught:
        wav.read(data)
    assert caught.value.detail
    assert caught.value.hint


def test_open_sizes_are_explained_by_streaming() -> None:
    with pytest.raises(errors.MalformedWav, match="ffmpeg to a pipe"):
        wav.read(wav_bytes(FRAME, riff_size=CLAIM_4_GB, data_size=CLAIM_4_GB))


@pytest.mark.parametrize("data", [b"", wav_bytes(b""), riff(FMT, chunk(b"data", b""), LIST)])
def test_files_without_samples_are_refused(data: bytes) -> None:
    with pytest.raises(errors.EmptyAudio):
        wav.read(data)


@pytest.mark.parametrize(
    "bits_of_float", [0x7FC00000, 0x7F800001, 0xFF800001, 0x7F800000, 0xFF800000, 0x7F61B1E6, 0x40800001, 0xC0800001]
)
def test_samples_that_are_no_amplitudes_are_refused(bits_of_float: int) -> None:
    body = struct.pack("<fIf", 0.5, bits_of_float, 0.25)
    with pytest.raises(errors.InvalidSamples, match="Sample 1 is"):
        wav.read(wav_bytes(body, tag=FLOAT, bits=32))


def test_integers_stored_as_floats_are_refused() -> None:
    with pytest.raises(errors.InvalidSamples, match="12345"):
        wav.read(wav_bytes(encode_floats([0.0, 12345.0]), tag=FLOAT, bits=32))


def test_length_limit_is_inclusive_and_counted_in_frames() -> None:
    body = encode_integers([7] * 200, 16)
    data = wav_bytes(body, channels=2, rate_hz=8000)
    assert wav.read(data, max_duration_s=100 / 8000).frames == 100
    with pytest.raises(errors.AudioTooLong, match="100 frames"):
        wav.read(data, max_duration_s=99.5 / 8000)


LONG_MONO = wav_bytes(b"\0" * 2_000_000, rate_hz=8000)


@pytest.mark.parametrize(
    "data",
    [
        wav_bytes(FRAME, riff_size=CLAIM_4_GB, data_size=CLAIM_4_GB),
        wav_bytes(FRAME, data_size=CLAIM_4_GB),
        wav_bytes(FRAME, channels=65535, rate_hz=2**31 - 1),
        MALFORMED["100,000 tiny chunks"],
        LONG_MONO,
    ],
    ids=["both sizes", "data size", "65,535 channels", "100,000 chunks", "too long"],
)
def test_refusing_allocates_next_to_nothing(data: bytes) -> None:
    with pytest.raises(errors.AudioError):
        wav.read(data)  # What a first call caches is not the reader's.
    tracemalloc.start()
    try:
        with pytest.raises(errors.AudioError):
            wav.read(data)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 100_000


@pytest.mark.parametrize(("channels", "bits"), [(1, 16), (2, 16), (1, 24), (2, 24), (2, 32)])
def test_reading_allocates_a_small_multiple_of_the_upload(channels: int, bits: int) -> None:
    data = wav_bytes(b"\1" * 480_000, channels=channels, bits=bits)
    tracemalloc.start()
    try:
        wav.read(data)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 5 * len(data)
