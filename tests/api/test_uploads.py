"""The one way in for clips: which of them wait for which."""

import asyncio
from io import BytesIO
from typing import Any, cast

from starlette.datastructures import UploadFile
from tests.conftest import ROOT

from soundproof.api.uploads import DECODING, Uploads
from soundproof.audio.decoder import Decoder

WAV = (ROOT / "tests" / "clips" / "yes.wav").read_bytes()
FLAC = b"fLaC" + bytes(60)


class Held:
    """A decoder that is never done."""

    def __init__(self) -> None:
        self.begun = 0
        self.all_begun = asyncio.Event()

    async def decode(self, *_: Any) -> None:
        self.begun += 1
        if self.begun == DECODING:
            self.all_begun.set()
        await asyncio.Event().wait()


async def test_no_wav_file_waits_for_a_decoder_and_few_decode_at_a_time() -> None:
    decoder = Held()
    uploads = Uploads(60.0, cast(Decoder, decoder))
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(uploads.decode(FLAC)) for _ in range(2 * DECODING)]
        await decoder.all_begun.wait()
        kept, sent = await uploads.decode(WAV), await uploads.read(UploadFile(BytesIO(WAV)))
        assert kept.samples_sha256 == sent.samples_sha256
        assert decoder.begun == DECODING
        for task in waiting:
            task.cancel()
