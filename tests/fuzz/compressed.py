"""FLAC, Ogg and MP3: what is decoded in the child, and what the service makes of a child that was taken over.

The first byte says which: its lowest bit the side, the rest the container. The rest is the file, or the child's answer.
"""

from soundproof.audio import wav
from soundproof.audio.compressed import CONTAINERS
from soundproof.audio.decode_child import decode
from soundproof.audio.decode_task import DecodeTask
from soundproof.audio.decoder import _heard
from soundproof.audio.waveform import Waveform
from soundproof.certificate import Decoding, canonical_json
from soundproof.errors import (
    AudioError,
    AudioTooLong,
    DecoderLost,
    EmptyAudio,
    InvalidSamples,
    MalformedAudio,
    UnsupportedAudio,
    UnsupportedChannels,
    UnsupportedRate,
)

WORDS = (
    *(b"fLaC", b"OggS", b"ID3", b"Xing", b"Info", b"VBRI", b"vorbis", b"OpusHead", b"\xff\xfb", b"RIFF"),
    *(b'{"encoding": "', b'", "decoder": "', b'{"refused": "', b'", "detail": "', b'", "hint": "', b"pcm_16"),
    *(b"malformed_audio", b"audio_too_long", b"\\ud800", b"\n"),
)
MOST_S, MOST_SAMPLES = 0.2, 8000
CHILD, SERVICE = range(2)
# What may be wrong with a clip that was decoded: its rate and channels are the file's, and so are its samples.
_OF_THE_CLIP = (UnsupportedChannels, UnsupportedRate, EmptyAudio, InvalidSamples)


def check(data: bytes) -> None:
    """Any file is decoded or refused by name, the same every time; what is decoded is a WAV file within the limits.
    Any answer of a child is a clip within the limits and a decoding that can be signed, or an error by name."""
    if not data:
        return
    container = list(CONTAINERS.values())[data[0] // 2 % len(CONTAINERS)]
    task = DecodeTask(
        container=container.name,
        max_duration_s=MOST_S,
        max_samples=MOST_SAMPLES,
        memory_bytes=1 << 30,
        cpu_s=10,
        deadline_s=10,
    )
    if data[0] % 2 == CHILD:
        found = _decoded(data[1:], task)
        assert found == _decoded(data[1:], task), "another answer the second time"
        return
    try:
        waveform, decoding = _heard(0, bytearray(data[1:]), task, container)
    except (AudioError, DecoderLost) as error:
        str(error).encode()  # or it could not be answered
        return
    _check_clip(waveform)
    assert isinstance(decoding, Decoding)
    canonical_json(decoding.model_dump(mode="json"))


def _decoded(data: bytes, task: DecodeTask) -> tuple[str, bytes]:
    try:
        encoding, clip = decode(data, task)
    except (UnsupportedAudio, MalformedAudio, AudioTooLong) as error:
        assert error.detail and error.hint, error  # noqa: PT017, PT018
        return error.code, b""
    try:
        _check_clip(wav.read(clip, max_duration_s=MOST_S))
    except AudioError as error:
        assert isinstance(error, _OF_THE_CLIP), error  # noqa: PT017
    return encoding, clip


def _check_clip(waveform: Waveform) -> None:
    assert 1 <= waveform.frames <= MOST_S * waveform.sample_rate_hz
    assert waveform.peak <= wav.MAX_AMPLITUDE
