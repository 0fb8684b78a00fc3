"""Where a draw of noise lives: (stream, stage, block). No torch here: plans are made where nothing is drawn."""

import hashlib
from enum import IntEnum


class Stage(IntEnum):
    """What a draw is for. Stages never share noise: selection votes must not meet the estimation votes."""

    SELECTION = 0
    ESTIMATION = 1
    TRAINING = 2


def stream_key(*parts: str | int) -> bytes:
    """16 bytes that name one noise stream: a hash of everything that must set it apart, such as seed and clip."""
    text = "\x1f".join(str(part) for part in ("soundproof-noise-1", *parts))
    return hashlib.sha256(text.encode()).digest()[:16]
