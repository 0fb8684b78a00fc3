"""Uploaded clips, decoded."""

import asyncio
import hashlib
from dataclasses import dataclass, field

from starlette.datastructures import UploadFile

from soundproof.audio import wav
from soundproof.audio.waveform import Waveform

# Clips decoded at a time. Until a run is admitted nothing else bounds the memory that many large uploads take.
DECODING = 2


@dataclass(frozen=True)
class Clip:
    """Digests of an upload and of its samples, and these."""

    audio_sha256: str
    samples_sha256: str
    waveform: Waveform


@dataclass(frozen=True)
class Uploads:
    """One for the whole service: what it bounds is bounded for all routes together."""

    max_duration_s: float
    _decoding: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(DECODING), init=False)

    async def read(self, audio: UploadFile) -> Clip:
        """What an upload holds; its bytes are not kept. Raises the AudioErrors of reading."""
        async with self._decoding:
            return await asyncio.to_thread(lambda: self._decoded(audio.file.read()))

    async def decode(self, audio: bytes) -> Clip:
        """What a file's bytes hold; raises as `read` does."""
        async with self._decoding:
            return await asyncio.to_thread(self._decoded, audio)

    def _decoded(self, audio: bytes) -> Clip:
        waveform = wav.read(audio, max_duration_s=self.max_duration_s)
        return Clip(hashlib.sha256(audio).hexdigest(), waveform.digest, waveform)
