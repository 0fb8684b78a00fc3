"""The bytes of a clip as the service takes them: a WAV file as it is, any other format without loss as one."""

import struct
from pathlib import Path

from soundproof.client.gate.faults import SuiteFault

WAV = (".wav", ".wave")
_PCM, _FLOAT = 1, 3
# Subtypes of libsndfile whose samples a 16-bit integer holds; other integers go into 32 bits, the rest into floats.
_IN_16_BITS = ("PCM_16", "PCM_S8", "PCM_U8")


def wav_bytes(path: Path) -> bytes:
    """A WAV file's bytes as they are; a FLAC, Ogg or AIFF file decoded into a WAV file, the same bytes every time.

    Decoding needs the package soundfile (`pip install 'soundproof[audio]'`); its samples are not changed. Raises
    OSError for a file that cannot be read, ValueError for one that cannot be decoded, SuiteFault without soundfile.
    """
    if path.suffix.lower() in WAV:
        return path.read_bytes()
    soundfile = _soundfile(path)
    try:
        with soundfile.SoundFile(path) as file:
            subtype, rate, channels = file.subtype, file.samplerate, file.channels
            if subtype in _IN_16_BITS:
                return _wav(bytes(file.buffer_read(dtype="int16")), _PCM, 16, rate, channels)
            if subtype.startswith("PCM_"):
                return _wav(bytes(file.buffer_read(dtype="int32")), _PCM, 32, rate, channels)
            return _wav(bytes(file.buffer_read(dtype="float32")), _FLOAT, 32, rate, channels)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path.name} cannot be decoded: {error.error_string}") from error


def check_formats(paths: list[Path]) -> None:
    """Raises SuiteFault, before anything is asked, where a clip needs a decoder that is not there."""
    others = [path for path in paths if path.suffix.lower() not in WAV]
    if others:
        _soundfile(others[0])


def _soundfile(path: Path):  # type: ignore[no-untyped-def]
    try:
        import soundfile  # noqa: PLC0415  (not in the base install)
    except (ImportError, OSError) as error:  # OSError: the package without its library
        raise SuiteFault(
            f"{path.name} is no WAV file, and what decodes it is not installed ({error}): "
            "pip install 'soundproof[audio]', or convert the suite to WAV."
        ) from error
    return soundfile


def _wav(samples: bytes, encoding: int, bits: int, rate: int, channels: int) -> bytes:
    frame = channels * bits // 8
    header = struct.pack("<HHIIHH", encoding, channels, rate, rate * frame, frame, bits)
    # A float file says how many frames it has in a chunk of its own.
    fact = b"fact" + struct.pack("<II", 4, len(samples) // frame) if encoding == _FLOAT else b""
    body = b"WAVEfmt " + struct.pack("<I", len(header)) + header + fact
    body += b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body
