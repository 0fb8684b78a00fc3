"""Files of other formats than WAV, decoded in a process of their own: never in the one that answers requests."""

import asyncio
import contextlib
import json
import logging
import math
import os
import signal
import subprocess
import sys
from dataclasses import dataclass

from pydantic import ValidationError

from soundproof.audio import formats, wav
from soundproof.audio.compressed import Container, ContainerName
from soundproof.audio.decode_task import ABOUT, DecodeTask
from soundproof.audio.formats import CONVERT
from soundproof.audio.waveform import Waveform
from soundproof.certificate import Decoding
from soundproof.errors import AudioError, AudioTooLong, DecoderLost, MalformedAudio, MalformedWav, UnsupportedAudio
from soundproof.printable import printable

log = logging.getLogger("soundproof.api")

CHILD = (sys.executable, "-I", "-B", "-m", "soundproof.audio.decode_child")
# Nothing of the service's own environment, which has secrets in it. A library's threads are started before the limits.
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}
# Python, numpy and libsndfile take some 150 MiB of address space before they decode anything.
OWN_MEMORY_BYTES = 256 << 20
MEMORY_PER_UPLOADED_BYTE = 8
MOST_LINE_BYTES, MOST_HEADER_BYTES = 4096, 64
READ_BYTES = 1 << 16
ABOUT_DEADLINE_S = 60
# Characters of a sentence of the child's that are passed on.
MOST_TOLD = 300

_REFUSALS: dict[str, type[AudioError]] = {
    error.code: error for error in (UnsupportedAudio, MalformedAudio, AudioTooLong)
}
# By which others end a process: the operator, the kernel where memory is short, the child's own alarm.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGALRM)
_AGAIN = "Send the request again, or a WAV file."


def installed(allowed: tuple[ContainerName, ...]) -> str:
    """What decodes these formats here, as a process of its own says. Raises UnsupportedAudio where nothing does."""
    named = f"SOUNDPROOF_FORMATS={','.join(allowed)}"
    try:
        asked = subprocess.run(  # noqa: S603
            [*CHILD, ABOUT], env=ENVIRONMENT, cwd="/", capture_output=True, check=True, timeout=ABOUT_DEADLINE_S
        )
        about = json.loads(asked.stdout)
        missing = [name for name in allowed if name not in about["formats"]]
        decoder = str(about["decoder"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise UnsupportedAudio(
            f"{named}, but the process that decodes cannot be started ({type(error).__name__}).",
            "pip install 'soundproof[formats]'",
        ) from error
    if missing:
        raise UnsupportedAudio(f"{named}, but {decoder} here does not read {', '.join(missing)}.")
    return decoder


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """`allowed`: the formats that the operator wants read. `max_upload_bytes`: the service's, so that a small file may
    decode to no more samples than the largest WAV upload of 16 bits has. `deadline_s`: for one file, the start of its
    process included; half of it in CPU time."""

    allowed: tuple[ContainerName, ...] = ()
    max_duration_s: float = 60.0
    max_upload_bytes: int = 8 << 20
    deadline_s: float = 20.0
    command: tuple[str, ...] = CHILD

    async def decode(self, data: bytes, container: Container) -> tuple[Waveform, Decoding]:
        """The samples of a file that begins like one of `container`. Cancelling the task ends the process.

        Raises the AudioErrors of reading, and DecoderLost.
        """
        if container.name not in self.allowed:
            allowed = ",".join((*self.allowed, container.name))
            raise UnsupportedAudio(
                f"This is {formats.container(data[:12])}, not a RIFF/WAVE file; this service is not set to read it.",
                f"{CONVERT} Its operator may allow it: SOUNDPROOF_FORMATS={allowed}.",
            )
        task = self._task(container.name)
        status, answer = await self._answer(task, data)
        return await asyncio.to_thread(_heard, status, answer, task, container)

    def _task(self, container: ContainerName) -> DecodeTask:
        return DecodeTask(
            container=container,
            max_duration_s=self.max_duration_s,
            max_samples=self.max_upload_bytes // 2,
            memory_bytes=OWN_MEMORY_BYTES + MEMORY_PER_UPLOADED_BYTE * self.max_upload_bytes,
            cpu_s=max(1, int(self.deadline_s / 2)),
            deadline_s=math.ceil(self.deadline_s) + 1,
        )

    async def _answer(self, task: DecodeTask, data: bytes) -> tuple[int, bytearray]:
        """How the child ended, and what it said. Nothing of it is left behind, whatever happens."""
        try:
            child = await asyncio.create_subprocess_exec(
                *self.command,
                task.to_json(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # where mpg123 tells of damaged files
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            log.warning("no decoder can be started: %s", error.strerror)
            raise DecoderLost("No process to decode the file in can be started.", _AGAIN) from None
        most = MOST_LINE_BYTES + MOST_HEADER_BYTES + 4 * task.max_samples
        feeding = asyncio.create_task(_feed(child, data))
        try:
            async with asyncio.timeout(self.deadline_s):
                answer = await _hear(child, most)
                return await child.wait(), answer
        except TimeoutError:
            log.warning("a decoder hung and was ended after %g s", self.deadline_s)
            raise DecoderLost(f"Decoding was not done within {self.deadline_s:g} s.", _AGAIN) from None
        finally:
            feeding.cancel()
            await _end(child)


async def _feed(child: asyncio.subprocess.Process, data: bytes) -> None:
    assert child.stdin is not None  # noqa: S101
    with contextlib.suppress(ConnectionError):  # it has read what it wanted, or is gone: its answer tells
        child.stdin.write(data)
        await child.stdin.drain()
    child.stdin.close()


async def _hear(child: asyncio.subprocess.Process, most: int) -> bytearray:
    assert child.stdout is not None  # noqa: S101
    answer = bytearray()
    while said := await child.stdout.read(READ_BYTES):
        answer += said
        if len(answer) > most:
            log.warning("a decoder said more than %d bytes and was ended", most)
            raise DecoderLost("The process that decoded the file said more than it may.", CONVERT)
    return answer


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    assert child.stdin is not None and child.stdout is not None  # noqa: S101, PT018
    child.stdin.close()
    while await child.stdout.read(READ_BYTES):  # what nobody reads keeps the pipe open
        pass
    await child.wait()


def _heard(status: int, answer: bytearray, task: DecodeTask, container: Container) -> tuple[Waveform, Decoding]:
    """The clip in the child's answer, every word of which is doubted."""
    if status != 0:
        raise _ended(status, task)
    line_bytes = answer.find(b"\n", 0, MOST_LINE_BYTES)
    try:
        head = json.loads(answer[: max(line_bytes, 0)])
        if "refused" in head:
            refusal = _REFUSALS[head["refused"]]
            raise refusal(printable(str(head["detail"]))[:MOST_TOLD], printable(str(head["hint"]))[:MOST_TOLD])
        if head["encoding"] not in container.encodings.values():
            raise ValueError("no encoding of this container")
        decoding = Decoding(
            container=container.name, encoding=head["encoding"], lossy=container.lossy, decoder=head["decoder"]
        )
        clip = wav.read(memoryview(answer)[line_bytes + 1 :], max_duration_s=task.max_duration_s)
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError, MalformedWav) as error:
        log.warning("a decoder made no sense: %s", type(error).__name__)
        raise DecoderLost("The process that decoded the file made no sense.", CONVERT) from None
    return clip, decoding


def _ended(status: int, task: DecodeTask) -> MalformedAudio | DecoderLost:
    if status == -signal.SIGXCPU:
        return MalformedAudio(f"Decoding the file takes more than {task.cpu_s} s of computing.", CONVERT)
    name = signal.Signals(-status).name if status < 0 else f"status {status}"
    log.warning("a decoder ended with %s", name)
    if status > 0 or -status in _FROM_OUTSIDE:
        return DecoderLost(f"The process that decoded the file was ended ({name}).", _AGAIN)
    return MalformedAudio(f"Decoding the file ends its decoder ({name}).", CONVERT)
