"""Files of other formats, decoded in a process of their own; and what becomes of it when that process fails or lies."""

import asyncio
import sys
from dataclasses import replace

import numpy as np
import psutil
import pytest
from tests.audio import faulty_decoder
from tests.audio.compressed_files import ENCODINGS, compressed, encode, flac, noise, same_as_wav
from tests.conftest import ROOT

from soundproof.audio import wav
from soundproof.audio.compressed import CONTAINERS, ContainerName, container_of
from soundproof.audio.decoder import Decoder, installed
from soundproof.audio.waveform import Waveform
from soundproof.certificate import Decoding
from soundproof.errors import (
    AudioTooLong,
    DecoderLost,
    EmptyAudio,
    InvalidSamples,
    MalformedAudio,
    SoundproofError,
    UnsupportedAudio,
    UnsupportedChannels,
    UnsupportedRate,
)

ALL: tuple[ContainerName, ...] = ("flac", "ogg", "mp3")
DECODER = Decoder(allowed=ALL)


def decode(file: bytes, decoder: Decoder = DECODER) -> tuple[Waveform, Decoding]:
    container = container_of(file[:4])
    assert container is not None
    return asyncio.run(decoder.decode(file, container))


def faulty(how: str, **changes: object) -> Decoder:
    """A decoder whose process does as tests/audio/faulty_decoder.py says."""
    code = f"import sys; sys.path[:0] = [{str(ROOT)!r}]; from tests.audio.faulty_decoder import main; main()"
    return replace(DECODER, command=(sys.executable, "-c", code, how), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("bits", [16, 24])
def test_flac_gives_the_very_samples_that_wav_gives(bits: int, channels: int) -> None:
    samples = noise(bits, channels)
    found, decoding = decode(flac(samples, bits))
    same = wav.read(same_as_wav(samples, bits))
    assert found.digest == same.digest
    assert found.samples.dtype == same.samples.dtype
    np.testing.assert_array_equal(found.samples, same.samples)
    assert (decoding.container, decoding.encoding, decoding.lossy) == ("flac", f"pcm_{bits}", False)


@pytest.mark.parametrize("name", ["vorbis", "opus", "mp3"])
def test_a_lossy_file_gives_much_the_same_sound_and_always_the_same_samples(name: str) -> None:
    time_s = np.arange(16_000)[:, None] / 16_000
    tone = np.round(8000 * np.sin(2 * np.pi * 440 * time_s)).astype(np.int32)
    title, subtype, container, encoding = ENCODINGS[name]
    file = encode(tone, title, subtype)
    (found, decoding), (again, _) = decode(file), decode(file)
    assert found.digest == again.digest
    assert (found.channels, found.sample_rate_hz) == (1, 16_000)
    assert abs(found.frames - 16_000) <= 2 * 1152  # an encoder's delay and padding
    middle = slice(2000, 14_000)
    spectrum = np.abs(np.fft.rfft(found.samples[0, middle]))
    assert np.argmax(spectrum) == 330  # 440 Hz in 12,000 frames
    assert np.std(found.samples[0, middle]) == pytest.approx(8000 / 32768 / np.sqrt(2), rel=0.05)
    assert decoding.lossy
    assert (decoding.container, decoding.encoding) == (container, encoding)


def test_the_decoder_says_which_it_is() -> None:
    assert decode(compressed("vorbis"))[1].decoder == installed(ALL)
    assert installed(ALL).startswith("libsndfile 1.")


def test_what_is_not_allowed_is_refused_without_being_looked_at() -> None:
    without = replace(DECODER, allowed=("flac",), command=("/nothing/here",))
    with pytest.raises(UnsupportedAudio, match="an Ogg file") as refused:
        decode(compressed("opus"), without)
    assert "SOUNDPROOF_FORMATS=flac,ogg" in refused.value.hint


def refused(file: bytes, error: type[SoundproofError], told: str, decoder: Decoder = DECODER) -> None:
    with pytest.raises(SoundproofError, match=told) as raised:
        decode(file, decoder)
    assert type(raised.value) is error


def test_what_a_wav_file_may_not_be_no_other_may() -> None:
    refused(flac(noise(channels=8, frames=100)), UnsupportedChannels, "8 channels")
    refused(flac(noise(frames=100), rate_hz=12_345), UnsupportedRate, "12,345 Hz")
    refused(flac(noise(frames=8001), rate_hz=8000), AudioTooLong, "8,000 frames", replace(DECODER, max_duration_s=1.0))
    decode(flac(noise(frames=8000), rate_hz=8000), replace(DECODER, max_duration_s=1.0))


def test_a_small_file_decodes_to_no_more_than_the_largest_wav_upload_of_16_bits() -> None:
    decoder = replace(DECODER, max_upload_bytes=4096)
    decode(flac(noise(channels=2, frames=1024) * 0), decoder)
    refused(flac(noise(channels=2, frames=1025) * 0), AudioTooLong, "1,024 frames", decoder)


def test_a_file_of_another_kind_behind_the_magic_is_refused() -> None:
    refused(compressed("mp3").replace(b"Info", b"None").replace(b"Xing", b"None"), MalformedAudio, "how long")
    tagged = b"ID3\3\0\0\0\0\0\4Info" + flac(noise())
    refused(tagged, UnsupportedAudio, "begins as MP3 and holds FLAC")


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_file_cut_short_is_refused(name: str) -> None:
    file = compressed(name)
    for length in (len(file) - 1, len(file) * 9 // 10, len(file) // 2, 200, 40, 4):
        with pytest.raises(MalformedAudio):
            decode(file[:length])


FAULTS: dict[str, tuple[type[SoundproofError], str]] = {
    "nothing": (DecoderLost, "no sense"),
    "no line": (DecoderLost, "no sense"),
    "no JSON": (DecoderLost, "no sense"),
    "another JSON": (DecoderLost, "no sense"),
    "nested JSON": (DecoderLost, "no sense"),
    "no clip": (EmptyAudio, "is empty"),
    "a cut clip": (DecoderLost, "no sense"),
    "encoding of no name": (DecoderLost, "no sense"),
    "encoding that is no text": (DecoderLost, "no sense"),
    "another container's encoding": (DecoderLost, "no sense"),
    "decoder with a line break": (DecoderLost, "no sense"),
    "decoder without end": (DecoderLost, "no sense"),
    "unknown refusal": (DecoderLost, "no sense"),
    "a clip too long": (AudioTooLong, "488,000 frames"),
    "too many channels": (UnsupportedChannels, "8 channels"),
    "NaN": (InvalidSamples, "nan"),
    "without end": (DecoderLost, "more than it may"),
    "killed": (DecoderLost, "SIGKILL"),
    "crashing": (MalformedAudio, "SIGSEGV"),
    "status 1": (DecoderLost, "status 1"),
    "computing too long": (MalformedAudio, "more than 10 s of computing"),
}


@pytest.mark.parametrize(("how", "error", "told"), [(how, *expected) for how, expected in FAULTS.items()], ids=FAULTS)
def test_a_decoder_that_lies_or_fails_is_not_believed(how: str, error: type[SoundproofError], told: str) -> None:
    refused(b"OggS" + b"\0" * 10_000, error, told, faulty(how))


@pytest.mark.parametrize("how", ["well", "without reading"])
def test_a_decoder_need_not_read_what_it_does_not_want(how: str) -> None:
    found, decoding = decode(b"OggS" + bytes(4 << 20), faulty(how))
    assert found.digest == wav.read(faulty_decoder.CLIP).digest
    assert decoding == Decoding(container="ogg", encoding="vorbis", lossy=True, decoder="libsndfile 1.2.2")


def test_what_a_decoder_says_is_shown_without_control_characters_and_not_all_of_it() -> None:
    with pytest.raises(MalformedAudio) as raised:
        decode(b"OggS", faulty("control characters"))
    assert raised.value.detail.isprintable()
    assert len(raised.value.detail) == 300


def test_a_decoder_that_hangs_is_ended() -> None:
    before = children()
    refused(b"OggS", DecoderLost, "within 1 s", faulty("hanging", deadline_s=1.0))
    assert children() == before


def children() -> set[int]:
    """Of this process, which may have others."""
    return {child.pid for child in psutil.Process().children()}


def test_a_file_that_takes_more_memory_than_it_may_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a budget that Python and the libraries have spent by themselves."""
    monkeypatch.setattr("soundproof.audio.decoder.OWN_MEMORY_BYTES", 0)
    with pytest.raises(MalformedAudio):
        decode(flac(noise()))


def test_a_decoder_that_cannot_be_started_is_no_fault_of_the_file() -> None:
    refused(b"OggS", DecoderLost, "can be started", replace(DECODER, command=("/nothing/here",)))


def test_leaving_ends_the_process_and_leaves_no_descriptor() -> None:
    others = children()

    async def leave() -> None:
        work = asyncio.create_task(faulty("hanging").decode(b"OggS", CONTAINERS["ogg"]))
        while children() == others:
            await asyncio.sleep(0)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        assert work.cancelled()
        assert children() == others

    async def well() -> None:
        await faulty("well").decode(b"OggS", CONTAINERS["ogg"])

    asyncio.run(well())
    before = psutil.Process().num_fds()
    for _ in range(3):
        asyncio.run(leave())
    asyncio.run(well())
    assert psutil.Process().num_fds() == before
