"""Files that no honest recorder writes, and files that lie, uploaded to the running service."""

import io
import random
import zipfile

import numpy as np
import psutil
import pytest
from tests.api.attack import AUDIO, FEW, GOOD, certificate, form, part, post_form, problem, upload
from tests.audio.test_wav_refused import MALFORMED
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
from tests.conftest import TINY_SAMPLES, Service

pytestmark = pytest.mark.usefixtures("unharmed")

NOISE = random.Random(5).randbytes(4_000)  # noqa: S311  (the inside of a file that nobody decodes)
LIMIT_BYTES = 8 << 20


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("yes.wav", content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("clip", "reason"),
    [
        (b"hello, world", "no known audio file"),
        (b"\0" * 1_000, "no known audio file"),
        (b"ID3\4\0" + NOISE, "an MP3 file"),
        (b"\xff\xfb\x90\x00" + NOISE, "an MP3 file"),
        (b"fLaC\0\0\0\x22" + NOISE, "a FLAC file"),
        (b"OggS\0\2" + NOISE, "an Ogg file"),
        (zipped(GOOD), "a zip archive"),
        (b"RIFX" + GOOD[4:], "a big-endian RIFX file"),
        (GOOD[:8] + b"AVI " + GOOD[12:], "AVI"),
    ],
    ids=["text", "zeros", "ID3", "MPEG frame", "FLAC", "Ogg", "zip", "RIFX", "AVI"],
)
def test_what_is_no_wav_file_is_named_for_what_it_is(service: Service, clip: bytes, reason: str) -> None:
    refused = problem(upload(service, clip, name="yes.wav"), 415, "unsupported_audio")
    assert reason in refused["detail"]
    assert "ffmpeg" in refused["hint"]


@pytest.mark.parametrize("clip", [b"", wav_bytes(b"")], ids=["empty file", "header only"])
def test_a_file_without_samples_is_refused(service: Service, clip: bytes) -> None:
    problem(upload(service, clip), 422, "empty_audio")


def test_a_file_cut_anywhere_is_refused(service: Service) -> None:
    for length in range(1, len(GOOD), 7):
        answer = upload(service, GOOD[:length])
        problem(answer, *((415, "unsupported_audio") if length < 4 else (422, "malformed_wav")))


@pytest.mark.parametrize("clip", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_file_that_contradicts_itself_is_refused_with_the_reason(service: Service, clip: bytes) -> None:
    assert problem(upload(service, clip), 422, "malformed_wav")["hint"]


@pytest.mark.parametrize(
    "clip",
    [
        wav_bytes(FRAME, riff_size=CLAIM_4_GB, data_size=CLAIM_4_GB),
        wav_bytes(FRAME, riff_size=CLAIM_4_GB),
        wav_bytes(FRAME, data_size=CLAIM_4_GB - 1),
        riff(FMT, chunk(b"LIST", b"", size=CLAIM_4_GB), DATA),
    ],
    ids=["both sizes", "RIFF size", "data size", "another chunk"],
)
def test_a_claim_of_4_gb_costs_the_service_nothing(service: Service, clip: bytes) -> None:
    process = psutil.Process(service.pid)
    problem(upload(service, clip), 422, "malformed_wav")
    before = process.memory_info()
    for _ in range(5):
        assert "4,294,967," in problem(upload(service, clip), 422, "malformed_wav")["detail"]
    after = process.memory_info()
    assert after.rss - before.rss < 8 << 20
    assert after.vms - before.vms < 1 << 30


@pytest.mark.parametrize("channels", [0, 3, 1024, 65535])
def test_other_numbers_of_channels_than_one_and_two_are_refused(service: Service, channels: int) -> None:
    clip = wav_bytes(b"\0" * 12, channels=channels)
    assert f"{channels:,} channels" in problem(upload(service, clip), 422, "unsupported_channels")["detail"]


@pytest.mark.parametrize("rate_hz", [0, 1, 44_101, 2**31 - 1, 2**32 - 1])
def test_other_sample_rates_than_the_usual_ones_are_refused(service: Service, rate_hz: int) -> None:
    refused = problem(upload(service, wav_bytes(FRAME * 400, rate_hz=rate_hz)), 422, "unsupported_rate")
    assert f"{rate_hz:,} Hz" in refused["detail"]
    assert "44,100" in refused["hint"]


@pytest.mark.parametrize(
    ("clip", "name"),
    [
        (wav_bytes(b"\0" * 8, tag=6, bits=8), "A-law"),
        (wav_bytes(b"\0" * 8, tag=7, bits=8), "mu-law"),
        (wav_bytes(b"\0" * 8, tag=2, bits=4, fmt_size=50), "Microsoft ADPCM"),
        (wav_bytes(b"\0" * 8, tag=0x11, bits=4, fmt_size=20), "IMA ADPCM"),
        (wav_bytes(b"\0" * 8, tag=PCM, bits=8), "integer PCM of 8 bits"),
        (wav_bytes(b"\0" * 8, tag=FLOAT, bits=64), "IEEE float of 64 bits"),
        (wav_bytes(b"\0" * 8, tag=0xABCD), "unknown format tag 0xABCD"),
        (wav_bytes(b"\0" * 8, tag=0), "unknown format tag 0x0000"),
        (wav_bytes(b"\0" * 8, tag=EXTENSIBLE, bits=8, subformat_guid=subformat(6)), "A-law"),
        (wav_bytes(b"\0" * 8, tag=EXTENSIBLE, subformat_guid=b"\1\0" + b"\7" * 14), "unknown subformat"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_encodings_are_named(service: Service, clip: bytes, name: str) -> None:
    assert name in problem(upload(service, clip), 415, "unsupported_audio")["detail"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 32767.0])
def test_samples_that_are_no_amplitudes_are_refused(service: Service, value: float) -> None:
    samples = np.full(TINY_SAMPLES, 0.1)
    samples[123] = value
    clip = wav_bytes(encode_floats(samples), tag=FLOAT, bits=32)
    assert "Sample 123 is" in problem(upload(service, clip), 422, "invalid_samples")["detail"]


def around_silence() -> bytes:
    """Noise on both sides of the part in the middle that the model hears."""
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, 3 * TINY_SAMPLES)
    samples[TINY_SAMPLES:-TINY_SAMPLES] = 0
    return wav_bytes(encode_floats(samples), tag=FLOAT, bits=32)


def out_of_phase() -> bytes:
    """Two channels whose mono mix is silence."""
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, TINY_SAMPLES)
    return wav_bytes(encode_floats(np.stack([samples, -samples], axis=1)), tag=FLOAT, bits=32, channels=2)


@pytest.mark.parametrize(
    "clip", [wav_bytes(b"\0\0" * TINY_SAMPLES), around_silence(), out_of_phase()], ids=["all", "middle", "mono mix"]
)
def test_silence_cannot_be_brought_to_a_level(service: Service, clip: bytes) -> None:
    assert "silence" in problem(upload(service, clip), 422, "silent_audio")["detail"]


def test_the_duration_limit_is_inclusive_and_counted_in_frames(service: Service) -> None:
    minute = b"\1\2" * (60 * 8_000)
    assert certificate(upload(service, wav_bytes(minute, rate_hz=8_000)))["audio"]["duration_s"] == 60
    refused = problem(upload(service, wav_bytes(minute + b"\1\2", rate_hz=8_000)), 413, "audio_too_long")
    assert "480,001 frames" in refused["detail"]
    assert "60 s" in refused["detail"]


def test_the_size_limit_is_inclusive_and_counts_the_whole_body(service: Service) -> None:
    overhead = len(form(part("audio", wav_bytes(b""), "yes.wav"), FEW))
    samples = b"\1\2\3\4" * ((LIMIT_BYTES - overhead) // 4)

    def body(junk: bytes) -> bytes:
        clip = wav_bytes(samples, channels=2, rate_hz=96_000, after_riff=junk)
        return form(part("audio", clip, "yes.wav"), FEW)

    missing = LIMIT_BYTES - len(body(b""))
    assert certificate(post_form(service, body(b"j" * missing)))["audio"]["channels"] == 2
    refused = problem(post_form(service, body(b"j" * (missing + 1))), 413, "body_too_large")
    assert f"{LIMIT_BYTES:,} bytes" in refused["detail"]


def test_a_clip_of_one_sample_is_padded_and_certified(service: Service) -> None:
    audio = certificate(upload(service, wav_bytes(FRAME)))["audio"]
    assert (audio["frames"], audio["padded_frames"]) == (1, TINY_SAMPLES - 1)


@pytest.mark.parametrize(
    "clip",
    [
        riff(LIST, FMT, chunk(b"data", FRAME * TINY_SAMPLES)),
        riff(FMT, chunk(b"tiny", b"") * 900, chunk(b"data", FRAME * TINY_SAMPLES)),
        wav_bytes(FRAME * TINY_SAMPLES, after_riff=NOISE),
        wav_bytes(encode_integers([2**22] * (TINY_SAMPLES - 1), 24), bits=24, after_data=[LIST]),
    ],
    ids=["LIST before fmt", "900 chunks", "bytes after the end", "odd data chunk, padded"],
)
def test_an_unusual_but_honest_layout_is_read(service: Service, clip: bytes) -> None:
    assert certificate(upload(service, clip))["audio"]["sample_rate_hz"] == 16_000


@pytest.mark.parametrize(
    "name",
    ["../../etc/x\r\n.wav", "/etc/passwd", "a\0b.wav", "x" * 3_000, 'quo"te.wav', "💥.exe", "C:\\x.wav", ""],
    ids=["traversal", "absolute", "NUL", "long", "quote", "emoji", "drive", "empty"],
)
def test_the_name_of_the_file_never_matters(service: Service, name: str) -> None:
    same = certificate(upload(service, GOOD, name="yes.wav"))["certificate_id"]
    if name:
        assert certificate(upload(service, GOOD, name=name))["certificate_id"] == same
    else:
        body = form(part("audio", GOOD, ""), FEW, part("sigma", "0.01"))
        assert certificate(post_form(service, body))["certificate_id"] == same


def test_a_line_break_within_the_name_is_not_taken_for_a_header(service: Service) -> None:
    broken = AUDIO.replace(b"yes.wav", b"../../etc/x\r\n.wav")
    problem(post_form(service, form(broken, FEW)), 400, "bad_request")
