"""The strict reader of untrusted RIFF/WAVE bytes.

Nothing is allocated from a header's word: a size is believed only once that many bytes have been received, and samples
are converted only once everything else about the file has been checked. What is read is a small part of what WAV
allows; the rest is refused by name. Layout: IBM and Microsoft, "Multimedia Programming Interface and Data
Specifications 1.0" (1991); Microsoft, "Multiple Channel Audio Data and WAVE Files" (2001).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from soundproof.audio import formats
from soundproof.audio.waveform import Samples, Waveform
from soundproof.errors import (
    AudioTooLong,
    EmptyAudio,
    InvalidSamples,
    MalformedWav,
    UnsupportedAudio,
    UnsupportedChannels,
    UnsupportedRate,
)
from soundproof.terms import ALLOWED_RATES_HZ

# Float files may pass full scale a little; integers stored as floats may not be mistaken for amplitudes.
MAX_AMPLITUDE = 4.0  # +12 dBFS
_MAX_CHUNKS = 1000
_STREAMED = (
    "Streaming writers, such as ffmpeg to a pipe, leave the sizes open: write to a file instead. "
    "If it was a file already, it was cut short."
)
_DAMAGED = "The file may be damaged; write it again."


@dataclass(frozen=True)
class _Format:
    channels: int
    sample_rate_hz: int
    bits: int
    is_float: bool

    @property
    def block_bytes(self) -> int:
        return self.channels * self.bits // 8


def read(data: bytes | memoryview, *, max_duration_s: float = 60.0) -> Waveform:
    """Read a mono or stereo WAV file of PCM 16, 24 or 32 bits or IEEE float 32 at one of ALLOWED_RATES_HZ.

    Integers are divided by 2^15, 2^23 or 2^31, so full scale is 1; 16 and 24 bits are exact in float32, PCM 32
    in float64. In an extensible file the channel mask is ignored; fewer valid bits than
    the container has are its upper ones, so the container's full scale holds. Bytes after the RIFF chunk are ignored.

    Raises UnsupportedAudio, MalformedWav, UnsupportedChannels, UnsupportedRate, EmptyAudio, AudioTooLong (more than
    `max_duration_s`) or InvalidSamples (NaN, infinite, or beyond MAX_AMPLITUDE), and nothing else.
    """
    view = memoryview(data).cast("B")
    end = _riff_end(view)
    found: _Format | None = None
    body: memoryview | None = None
    for name, start, size in _chunks(view, end):
        if name == b"fmt ":
            if found is not None:
                raise MalformedWav("The file has two fmt chunks.", _DAMAGED)
            found = _read_format(view[start : start + size])
        elif name == b"data":
            if found is None:
                raise MalformedWav("The data chunk comes before the fmt chunk.", _DAMAGED)
            if body is not None:
                raise MalformedWav("The file has two data chunks.", _DAMAGED)
            body = view[start : start + size]
    if found is None or body is None:
        raise MalformedWav(f"The file has no {'fmt' if found is None else 'data'} chunk.", _DAMAGED)
    return Waveform(samples=_convert(body, found, max_duration_s), sample_rate_hz=found.sample_rate_hz)


def _riff_end(view: memoryview) -> int:
    """The offset at which the RIFF chunk ends, within the received bytes."""
    if not view:
        raise EmptyAudio("The file is empty.", "Send the bytes of a WAV file.")
    head = bytes(view[:12])
    if head[:4] != b"RIFF":
        raise UnsupportedAudio(f"This is {formats.container(head)}, not a RIFF/WAVE file.", formats.CONVERT)
    if len(head) < 12:
        raise MalformedWav(f"The file ends after {len(view)} bytes, within its RIFF header.", _DAMAGED)
    if head[8:] != b"WAVE":
        raise UnsupportedAudio(f"This is a RIFF file of type {head[8:]!r}, not WAVE.", formats.CONVERT)
    size = int.from_bytes(head[4:8], "little")
    if 8 + size > len(view):
        raise MalformedWav(f"The RIFF header claims {8 + size:,} bytes, but {len(view):,} were received.", _STREAMED)
    if size < 4:
        raise MalformedWav(f"The RIFF header claims a size of {size} bytes, less than its own type takes.", _STREAMED)
    return 8 + size


def _chunks(view: memoryview, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and size of every chunk within the RIFF chunk; all of them lie within the received bytes."""
    position = 12
    for _ in range(_MAX_CHUNKS):
        if position >= end:
            return
        if position + 8 > end:
            raise MalformedWav(f"{end - position} stray bytes stand where a chunk's header should.", _DAMAGED)
        name, size = struct.unpack_from("<4sI", view, position)
        start = position + 8
        if start + size > end:
            raise MalformedWav(f"Chunk {name!r} claims {size:,} bytes, but {end - start:,} are left.", _STREAMED)
        yield name, start, size
        position = start + size + size % 2  # Some writers leave out the pad byte of an odd chunk at the very end.
    if position < end:
        raise MalformedWav(f"The file has more than {_MAX_CHUNKS:,} chunks.", "Write the file without its metadata.")


def _read_format(chunk: memoryview) -> _Format:
    if len(chunk) < 16:
        raise MalformedWav(f"The fmt chunk has {len(chunk)} bytes; the shortest has 16.", _DAMAGED)
    tag, channels, rate_hz, _, block_bytes, bits = struct.unpack_from("<HHIIHH", chunk)
    extensible = tag == formats.EXTENSIBLE
    if extensible and len(chunk) < 40:
        raise MalformedWav(f"The fmt chunk is extensible but has {len(chunk)} bytes instead of 40.", _DAMAGED)
    encoding = formats.subformat_tag(bytes(chunk[24:40])) if extensible else tag
    if bits not in formats.READABLE_BITS.get(encoding, ()):
        name = formats.encoding(encoding)
        raise UnsupportedAudio(f"The encoding, {name} of {bits} bits, is not read here.", formats.CONVERT)
    _check_extension(chunk, bits, extensible=extensible)
    if channels not in (1, 2):
        raise UnsupportedChannels(f"The file has {channels:,} channels.", "Send a mono or a stereo file.")
    if rate_hz not in ALLOWED_RATES_HZ:
        listed = ", ".join(f"{rate:,}" for rate in ALLOWED_RATES_HZ)
        raise UnsupportedRate(f"The sample rate is {rate_hz:,} Hz.", f"Convert the file to one of {listed} Hz.")
    found = _Format(channels, rate_hz, bits, is_float=encoding == formats.FLOAT)
    if block_bytes != found.block_bytes:
        raise MalformedWav(
            f"The block align is {block_bytes} bytes; {channels} channel(s) of {bits} bits take {found.block_bytes}.",
            _DAMAGED,
        )
    return found


def _check_extension(chunk: memoryview, bits: int, *, extensible: bool) -> None:
    """The bytes beyond the first 16: none, an empty extension (18), or the extensible one (40)."""
    if len(chunk) not in ((40,) if extensible else (16, 18)):
        expected = "40" if extensible else "16 or 18"
        raise MalformedWav(f"The fmt chunk has {len(chunk)} bytes instead of {expected}.", _DAMAGED)
    if len(chunk) > 16 and struct.unpack_from("<H", chunk, 16) != (len(chunk) - 18,):
        raise MalformedWav("The fmt chunk contradicts its own size about the length of its extension.", _DAMAGED)
    if extensible:
        (valid_bits,) = struct.unpack_from("<H", chunk, 18)
        if not 1 <= valid_bits <= bits:
            raise MalformedWav(f"{valid_bits} valid bits are claimed for samples of {bits} bits.", _DAMAGED)


def _convert(body: memoryview, encoding: _Format, max_duration_s: float) -> Samples:
    """Interleaved bytes -> (channels, frames)."""
    frames, rest = divmod(len(body), encoding.block_bytes)
    if rest:
        raise MalformedWav(
            f"The data chunk has {len(body):,} bytes, not a multiple of the block of {encoding.block_bytes}.", _DAMAGED
        )
    if frames == 0:
        raise EmptyAudio("The file has no samples.", "Send a clip of at least one sample.")
    if frames > max_duration_s * encoding.sample_rate_hz:
        raise AudioTooLong(
            f"The clip has {frames:,} frames at {encoding.sample_rate_hz:,} Hz; the limit is {max_duration_s:g} s.",
            "Cut the file into shorter clips.",
        )
    interleaved = _amplitudes(body, encoding)
    with np.errstate(invalid="ignore"):  # A signalling NaN is an answer here, not an accident.
        peak = max(float(interleaved.max()), -float(interleaved.min()))
    if not peak <= MAX_AMPLITUDE:
        _refuse_samples(interleaved)
    return interleaved.reshape(frames, encoding.channels).T.copy()


def _amplitudes(body: memoryview, encoding: _Format) -> Samples:
    """(frames * channels,), full scale 1, exactly as the file says it; never a view of the upload."""
    if encoding.is_float:
        return np.frombuffer(body, "<f4").astype(np.float32)
    if encoding.bits == 16:
        samples = np.frombuffer(body, "<i2").astype(np.float32)
        samples *= 2.0**-15
        return samples
    if encoding.bits == 24:  # As the upper three bytes of 32-bit integers: the same value times 2^8.
        bytes_ = np.zeros((len(body) // 3, 4), np.uint8)
        bytes_[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
        samples = bytes_.view("<i4")[:, 0].astype(np.float32)
        samples *= 2.0**-31
        return samples
    return np.frombuffer(body, "<i4").astype(np.float64) * 2.0**-31  # 32 bits do not fit into float32


def _refuse_samples(interleaved: Samples) -> None:
    with np.errstate(invalid="ignore"):
        first = int(np.argmin(np.abs(interleaved) <= MAX_AMPLITUDE))
    raise InvalidSamples(
        f"Sample {first:,} is {float(interleaved[first])!r}; full scale is 1 and the limit is {MAX_AMPLITUDE:g}.",
        "Replace NaN and infinite samples; divide integers stored as floats by their full scale.",
    )
