"""The process that decodes one file: `python -I -B -m soundproof.audio.decode_child TASK`.

The file comes on standard input. The answer is a line of JSON: {"encoding", "decoder"}, behind which the clip follows
as a WAV file; or {"refused", "detail", "hint"} with the code of an AudioError. Whoever reads it has to read it as
carefully as any upload: a decoder that was taken over says what it likes. With ABOUT for a task it says what it reads.
"""

import io
import json
import struct
import sys
from typing import Any

import numpy as np
import soundfile

from soundproof.audio.completeness import flac_sum_agrees, mp3_tells_its_length, ogg_is_complete
from soundproof.audio.compressed import CONTAINERS, EncodingName
from soundproof.audio.confinement import confine
from soundproof.audio.decode_task import ABOUT, DecodeTask
from soundproof.audio.formats import CONVERT, FLOAT, PCM
from soundproof.errors import AudioError, AudioTooLong, MalformedAudio, UnsupportedAudio
from soundproof.terms import ALLOWED_RATES_HZ

_UNKNOWN = (1 << 63) - 1  # libsndfile's SF_COUNT_MAX
_STREAMED = "Streaming writers leave the length open: write to a file instead."
_DAMAGED = "The file may be damaged or cut short; write it again."
# Of an encoding: the WAV format tag, its bits, and the type in which libsndfile gives its samples.
_AS_WAV: dict[EncodingName, tuple[int, int, str]] = {"pcm_16": (PCM, 16, "int16"), "pcm_24": (PCM, 24, "int32")}
_LOSSY_AS_WAV = (FLOAT, 32, "float32")


def main() -> None:
    if sys.argv[1] == ABOUT:
        print(json.dumps(about()))
        return
    task = DecodeTask.from_json(sys.argv[1])
    confine(task)
    head: dict[str, Any]
    try:
        encoding, clip = decode(sys.stdin.buffer.read(), task)
        head = {"encoding": encoding, "decoder": decoder()}
    except AudioError as error:
        head, clip = {"refused": error.code, "detail": error.detail, "hint": error.hint}, b""
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n")
    sys.stdout.buffer.write(clip)


def about() -> dict[str, Any]:
    """The decoder, and the names of the formats of which it has every encoding."""
    formats = [
        name
        for name, each in CONTAINERS.items()
        if each.title in soundfile.available_formats()
        and each.encodings.keys() <= soundfile.available_subtypes(each.title).keys()
    ]
    return {"decoder": decoder(), "formats": formats}


def decoder() -> str:
    return f"libsndfile {soundfile.__libsndfile_version__}"


def decode(data: bytes, task: DecodeTask) -> tuple[EncodingName, bytes]:
    """The encoding of a file, and the file as WAV. Raises UnsupportedAudio, MalformedAudio or AudioTooLong.

    Of a number of channels or a rate that is not read there is only the header: it says enough to be refused.
    """
    try:
        return _decoded(data, task)
    except AudioError:
        raise
    except MemoryError:
        raise MalformedAudio("Decoding the file takes more memory than it may.", CONVERT) from None
    except Exception as error:  # libsndfile's, and what its binding raises for a file that it did not expect
        reason = getattr(error, "error_string", "").rstrip(".")  # of libsndfile; the rest would tell of the binding
        told = f" (libsndfile: {reason})" if reason else ""
        title = CONTAINERS[task.container].title
        raise MalformedAudio(f"The {title} file cannot be decoded{told}.", _DAMAGED) from None


def _decoded(data: bytes, task: DecodeTask) -> tuple[EncodingName, bytes]:
    container = CONTAINERS[task.container]
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        if file.format != container.title or file.subtype not in container.encodings:
            types = ", ".join(container.encodings)
            raise UnsupportedAudio(
                f"The file begins as {container.title} and holds {file.format} of type {file.subtype}; "
                f"of {container.title} the types {types} are read here.",
                CONVERT,
            )
        if task.container == "mp3" and not mp3_tells_its_length(data):
            raise MalformedAudio("The MP3 file does not say how long it is (no Xing, Info or VBRI header).", CONVERT)
        if task.container == "ogg" and not ogg_is_complete(data):
            raise MalformedAudio("The Ogg file has no last page.", _DAMAGED)
        encoding = container.encodings[file.subtype]
        readable = file.channels in (1, 2) and file.samplerate in ALLOWED_RATES_HZ
        samples = _samples(file, encoding, task) if readable else b""
        if samples and task.container == "flac" and not flac_sum_agrees(data, samples):
            raise MalformedAudio("The samples are not those that the FLAC file has the checksum of.", _DAMAGED)
        return encoding, _wav(file, encoding, samples)


def _samples(file: soundfile.SoundFile, encoding: EncodingName, task: DecodeTask) -> bytes:
    """The data of a WAV file, interleaved."""
    most = task.most_frames(file.channels, file.samplerate)
    if file.frames == _UNKNOWN:
        raise MalformedAudio("The file does not say how long it is.", _STREAMED)
    if file.frames > most:
        raise _too_long(file, most)
    _, bits, dtype = _AS_WAV.get(encoding, _LOSSY_AS_WAV)
    samples = np.empty((file.frames + 1, file.channels), dtype)  # of which the pages are taken as they are filled
    # In one piece: the binding seeks after each, which begins a lossy decoder anew.
    frames = file.buffer_read_into(samples, dtype)
    if frames != file.frames:
        there = f"{frames:,} are there" if frames < file.frames else "more are there"
        raise MalformedAudio(f"The file says that it has {file.frames:,} frames; {there}.", _DAMAGED)
    found = samples[:frames].astype(samples.dtype.newbyteorder("<"), copy=False)
    # Of 24 bits libsndfile makes the upper ones of 32.
    return (found.view("u1").reshape(-1, 4)[:, 1:] if bits == 24 else found).tobytes()


def _too_long(file: soundfile.SoundFile, most: int) -> AudioTooLong:
    return AudioTooLong(
        f"The clip has more than {most:,} frames at {file.samplerate:,} Hz, {most / file.samplerate:g} s: the limit of "
        "this service for a compressed file of this rate and so many channels.",
        "Cut the file into shorter clips.",
    )


def _wav(file: soundfile.SoundFile, encoding: EncodingName, samples: bytes) -> bytes:
    tag, bits, _ = _AS_WAV.get(encoding, _LOSSY_AS_WAV)
    channels, rate_hz, width = file.channels, file.samplerate, file.channels * bits // 8
    header = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * width & 0xFFFFFFFF, width, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(header)) + header + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


if __name__ == "__main__":
    main()
