"""A decoder that was taken over, or that fails: `main()`, with HOW and TASK as arguments."""

import json
import os
import signal
import sys

import numpy as np
from tests.audio.wav_bytes import encode_floats, wav_bytes

GOOD = {"encoding": "vorbis", "decoder": "libsndfile 1.2.2"}
CLIP = wav_bytes(b"\0\1" * 100)


def answer(head: object, clip: bytes = CLIP) -> bytes:
    return json.dumps(head).encode() + b"\n" + clip


SAID = {
    "without reading": answer(GOOD),
    "nothing": b"",
    "no line": b"x" * 100_000,
    "no JSON": b"hello\n" + CLIP,
    "another JSON": answer([1, 2]),
    "nested JSON": b"[" * 4000 + b"\n",
    "no clip": answer(GOOD, b""),
    "a cut clip": answer(GOOD, CLIP[:-1]),
    "encoding of no name": answer(GOOD | {"encoding": "speex"}),
    "encoding that is no text": answer(GOOD | {"encoding": ["vorbis"]}),
    "another container's encoding": answer(GOOD | {"encoding": "mp3"}),
    "decoder with a line break": answer(GOOD | {"decoder": "a\nb"}),
    "decoder without end": answer(GOOD | {"decoder": "x" * 1000}),
    "unknown refusal": answer({"refused": "internal_error", "detail": "", "hint": ""}),
    "control characters": answer({"refused": "malformed_audio", "detail": "\x1b[2J" * 200, "hint": ""}),
    "a clip too long": answer(GOOD, wav_bytes(bytes(2 * 61 * 8000), rate_hz=8000)),
    "too many channels": answer(GOOD, wav_bytes(b"\0" * 16, channels=8)),
    "NaN": answer(GOOD, wav_bytes(encode_floats(np.full(100, np.nan)), tag=3, bits=32)),
}
SIGNALS = {"killed": signal.SIGKILL, "crashing": signal.SIGSEGV, "computing too long": signal.SIGXCPU}


def main() -> None:
    how = sys.argv[1]
    if how == "well":
        sys.stdin.buffer.read()
        sys.stdout.buffer.write(answer(GOOD))
    elif how == "without end":
        while True:
            sys.stdout.buffer.write(bytes(1 << 16))
    elif how == "hanging":
        signal.pause()
    elif how == "status 1":
        sys.exit(1)
    elif how in SIGNALS:
        os.kill(os.getpid(), SIGNALS[how])
    else:
        sys.stdout.buffer.write(SAID[how])
