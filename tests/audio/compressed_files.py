"""Files as encoders write them, by libsndfile, and the same samples as WAV."""

import io
from functools import cache

import numpy as np
import soundfile
from numpy.typing import NDArray
from tests.audio.wav_bytes import wav_bytes

RATE_HZ = 16_000
# Every encoding that is read, with the container's name and its own.
ENCODINGS = {
    "flac 16": ("FLAC", "PCM_16", "flac", "pcm_16"),
    "flac 24": ("FLAC", "PCM_24", "flac", "pcm_24"),
    "vorbis": ("OGG", "VORBIS", "ogg", "vorbis"),
    "opus": ("OGG", "OPUS", "ogg", "opus"),
    "mp3": ("MP3", "MPEG_LAYER_III", "mp3", "mp3"),
}


def noise(bits: int = 16, channels: int = 1, frames: int = RATE_HZ, seed: int = 3) -> NDArray[np.int32]:
    """(frames, channels) integers of `bits`, the extremes among them."""
    most = 1 << (bits - 1)
    samples = np.random.default_rng(seed).integers(-most // 3, most // 3, (frames, channels), np.int32)
    samples[:2] = [[-most], [most - 1]]
    return samples


def encode(samples: NDArray[np.int32], title: str, subtype: str, bits: int = 16, rate_hz: int = RATE_HZ) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples << (32 - bits), rate_hz, format=title, subtype=subtype)
    return file.getvalue()


def flac(samples: NDArray[np.int32], bits: int = 16, rate_hz: int = RATE_HZ) -> bytes:
    return encode(samples, "FLAC", f"PCM_{bits}", bits, rate_hz)


@cache  # an Ogg stream has a serial number, another each time
def compressed(name: str, frames: int = RATE_HZ) -> bytes:
    """Noise in one of ENCODINGS, the same bytes every time."""
    title, subtype, _, _ = ENCODINGS[name]
    bits = 24 if subtype == "PCM_24" else 16
    return encode(noise(bits, frames=frames), title, subtype, bits)


def same_as_wav(samples: NDArray[np.int32], bits: int = 16, rate_hz: int = RATE_HZ) -> bytes:
    little = samples.astype("<i4").reshape(-1, 1).view("u1")[:, : bits // 8]
    return wav_bytes(little.tobytes(), bits=bits, channels=samples.shape[1], rate_hz=rate_hz)
