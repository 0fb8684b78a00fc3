"""Uploaded clips, decoded: the one way in for all routes and for jobs."""

import asyncio
import hashlib
from dataclasses import dataclass, field

from starlette.datastructures import UploadFile

from soundproof.audio import wav
from soundproof.audio.compressed import Container, container_of
from soundproof.audio.decoder import Decoder
from soundproof.audio.waveform import Waveform
from soundproof.certificate import Decoding

# Clips decoded at a time, of WAV files and of all other formats: none of the first waits for a process of the second.
# Until a run is admitted nothing else bounds the memory that many large uploads take.
DECODING = 2
_HEAD_BYTES = 4


@dataclass(frozen=True)
class Clip:
    """Digests of an upload and of its samples, and these. `decoding`: None for a WAV file."""

    audio_sha256: str
    samples_sha256: str
    waveform: Waveform
    decoding: Decoding | None = None


@dataclass(frozen=True)
class Uploads:
    """One for the whole service: what it bounds is bounded for all routes together."""

    max_duration_s: float
    decoder: Decoder = field(default_factory=Decoder)  # of no format beside WAV
    _of_wav: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(DECODING), init=False)
    _of_others: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(DECODING), init=False)

    async def read(self, audio: UploadFile) -> Clip:
        """What an upload holds; its bytes are not kept. Raises the AudioErrors of reading, and DecoderLost."""
        container = container_of(await asyncio.to_thread(_head, audio))
        async with self._place(container):
            return await self._clip(await asyncio.to_thread(audio.file.read), container)

    async def decode(self, audio: bytes) -> Clip:
        """What a file's bytes hold; raises as `read` does."""
        container = container_of(audio[:_HEAD_BYTES])
        async with self._place(container):
            return await self._clip(audio, container)

    def _place(self, container: Container | None) -> asyncio.Semaphore:
        return self._of_wav if container is None else self._of_others

    async def _clip(self, audio: bytes, container: Container | None) -> Clip:
        if container is None:
            return await asyncio.to_thread(self._wav, audio)
        waveform, decoding = await self.decoder.decode(audio, container)
        return await asyncio.to_thread(_named, audio, waveform, decoding)

    def _wav(self, audio: bytes) -> Clip:
        return _named(audio, wav.read(audio, max_duration_s=self.max_duration_s))


def _head(audio: UploadFile) -> bytes:
    head: bytes = audio.file.read(_HEAD_BYTES)
    audio.file.seek(0)
    return head


def _named(audio: bytes, waveform: Waveform, decoding: Decoding | None = None) -> Clip:
    return Clip(hashlib.sha256(audio).hexdigest(), waveform.digest, waveform, decoding)
