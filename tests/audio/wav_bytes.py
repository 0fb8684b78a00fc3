"""WAV files as bytes, honest or lying: every field of the header can be overridden."""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

PCM = 0x0001
FLOAT = 0x0003
EXTENSIBLE = 0xFFFE
_SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def subformat(tag: int) -> bytes:
    """The GUID that stands for a format tag in an extensible file."""
    return struct.pack("<H", tag) + _SUBFORMAT_TAIL


def chunk(name: bytes, body: bytes, *, size: int | None = None, pad: bool = True) -> bytes:
    """A RIFF chunk, padded to an even length; `size` overrides what its header says."""
    claimed = len(body) if size is None else size
    return struct.pack("<4sI", name, claimed) + body + b"\0" * (len(body) % 2 if pad else 0)


def fmt_body(
    *,
    tag: int = PCM,
    channels: int = 1,
    rate_hz: int = 16000,
    bits: int = 16,
    block_align: int | None = None,
    fmt_size: int | None = None,
    extension_size: int | None = None,
    valid_bits: int | None = None,
    channel_mask: int = 0,
    subformat_guid: bytes | None = None,
) -> bytes:
    """The body of a fmt chunk of 16 bytes, 40 for an extensible one, or `fmt_size`, which may cut it anywhere.

    `extension_size`: what the field cbSize says; by default the truth.
    """
    align = (channels * bits // 8) % (1 << 16) if block_align is None else block_align
    length = (40 if tag == EXTENSIBLE else 16) if fmt_size is None else fmt_size
    body = struct.pack("<HHIIHH", tag, channels, rate_hz, (rate_hz * align) % (1 << 32), align, bits)
    body += struct.pack("<H", max(length - 18, 0) if extension_size is None else extension_size)
    guid = subformat(PCM) if subformat_guid is None else subformat_guid
    body += struct.pack("<HI", bits if valid_bits is None else valid_bits, channel_mask) + guid
    return body[:length].ljust(length, b"\0")


def riff(
    *chunks: bytes, size: int | None = None, magic: bytes = b"RIFF", form: bytes = b"WAVE", after: bytes = b""
) -> bytes:
    """A RIFF file of chunks; `size` overrides what its header says, `after` follows its end."""
    body = form + b"".join(chunks)
    return magic + struct.pack("<I", len(body) if size is None else size) + body + after


def wav_bytes(
    samples: bytes = b"\0\0",
    *,
    tag: int = PCM,
    channels: int = 1,
    rate_hz: int = 16000,
    bits: int = 16,
    block_align: int | None = None,
    fmt_size: int | None = None,
    extension_size: int | None = None,
    valid_bits: int | None = None,
    channel_mask: int = 0,
    subformat_guid: bytes | None = None,
    data_size: int | None = None,
    riff_size: int | None = None,
    before_fmt: Sequence[bytes] = (),
    before_data: Sequence[bytes] = (),
    after_data: Sequence[bytes] = (),
    after_riff: bytes = b"",
) -> bytes:
    """A WAV file around already encoded `samples`; by default one silent frame of 16-bit mono at 16 kHz.

    `before_fmt`, `before_data`, `after_data`: whole chunks (see `chunk`). The sizes override what the headers say.
    """
    fmt = fmt_body(
        tag=tag,
        channels=channels,
        rate_hz=rate_hz,
        bits=bits,
        block_align=block_align,
        fmt_size=fmt_size,
        extension_size=extension_size,
        valid_bits=valid_bits,
        channel_mask=channel_mask,
        subformat_guid=subformat_guid,
    )
    data = chunk(b"data", samples, size=data_size)
    return riff(*before_fmt, chunk(b"fmt ", fmt), *before_data, data, *after_data, size=riff_size, after=after_riff)


def encode_integers(values: ArrayLike, bits: int) -> bytes:
    """Interleaved signed integers, little endian, in 16, 24 or 32 bits."""
    wide = np.ascontiguousarray(values, dtype="<i4").reshape(-1, 1).view(np.uint8)  # (samples, 4)
    return wide[:, : bits // 8].tobytes()


def encode_floats(values: ArrayLike) -> bytes:
    """Interleaved little-endian float32."""
    return np.ascontiguousarray(values, dtype="<f4").tobytes()


def encode_pcm16(samples: ArrayLike, rate_hz: int) -> bytes:
    """A 16-bit PCM file of (channels, frames) amplitudes, full scale 1, rounded and clipped."""
    amplitudes = np.atleast_2d(np.asarray(samples, dtype=np.float64))
    integers = np.clip(np.rint(amplitudes.T * 32768), -32768, 32767)
    return wav_bytes(encode_integers(integers, 16), channels=len(amplitudes), rate_hz=rate_hz)


# Building blocks: one frame of 16-bit mono, its chunks, and chunks that a reader skips.
FRAME = b"\1\2"
FMT = chunk(b"fmt ", fmt_body())
DATA = chunk(b"data", FRAME)
LIST = chunk(b"LIST", b"INFOIART\4\0\0\0me\0\0")
ODD = chunk(b"junk", b"abc")
CLAIM_4_GB = 0xFFFFFFFF
