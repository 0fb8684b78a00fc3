"""The messages between the coordinator and its workers, and how they travel.

A message is a frozen dataclass, pickled behind its length over a socket pair that only this process and its own child
hold. Nothing from outside is ever unpickled.
"""

import asyncio
import pickle
import select
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from soundproof.audio.facts import ClipFacts
from soundproof.audio.waveform import Waveform
from soundproof.errors import SoundproofError
from soundproof.logs import Style
from soundproof.smoothing.certification import Votes
from soundproof.smoothing.gated import Question
from soundproof.smoothing.plan import Block, NoiseName, Plan

_LENGTH = struct.Struct("!Q")

RunId = int


@dataclass(frozen=True)
class Source:
    """One version of a model, and where a worker finds it. `digest` tells it from every other: the same name may be
    another model after a reload."""

    name: str
    digest: str  # of the manifest, hence of all files it vouches for
    folder: Path
    size_bytes: int  # of the files that are loaded


@dataclass(frozen=True)
class Start:
    """To a fresh worker: where to compute, on how many cores (0: all) where that is a CPU, and how to log. A worker of
    another version ends at once: after an upgrade in place its votes would be issued under the old version's name."""

    device: str
    cores: int
    version: str
    log: Style = Style()  # noqa: RUF009  (frozen)


@dataclass(frozen=True)
class Load:
    """Load this model and verify it; answered by Loaded or Refused."""

    source: Source


@dataclass(frozen=True)
class Unload:
    """No run needs this model here: free its memory."""

    digest: str


@dataclass(frozen=True)
class Begin:
    """Prepare this clip for its plan's model, which is loaded; work on it follows."""

    run: RunId
    plan: Plan
    waveform: Waveform


@dataclass(frozen=True)
class Work:
    """Votes wanted for these blocks."""

    run: RunId
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Forget:
    """Nothing more is wanted of this run; drop what is waiting and what was cached for it."""

    run: RunId


ToWorker = Start | Load | Unload | Begin | Work | Forget


@dataclass(frozen=True)
class Ready:
    """The worker has its device and takes models."""

    device: str
    # What draws each kind of noise there; the same address is the same noise for the same generator only.
    generators: Mapping[NoiseName, str]
    blocks_per_message: int


@dataclass(frozen=True)
class Loaded:
    """This model is verified and can be certified with."""

    digest: str
    seconds: float


@dataclass(frozen=True)
class Refused:
    """A model that this worker cannot certify with, and why."""

    digest: str
    error: SoundproofError
    seconds: float


@dataclass(frozen=True)
class ClipPrepared:
    """`question`: what the plan asks of this clip, where it is a gate."""

    run: RunId
    facts: ClipFacts
    backend: str  # what computes the votes
    question: Question | None = None


@dataclass(frozen=True)
class Voted:
    run: RunId
    blocks: tuple[Block, ...]
    votes: tuple[Votes, ...]


@dataclass(frozen=True)
class RunFailed:
    """This run cannot go on; other runs and the worker can."""

    run: RunId
    error: SoundproofError


@dataclass(frozen=True)
class Exhausted:
    """Not even the smallest chunk fits in the device's memory; the worker ends after this."""


@dataclass(frozen=True)
class Halved:
    """The device's memory did not hold a chunk; the work in hand goes on with half of it."""


FromWorker = Ready | Loaded | Refused | ClipPrepared | Voted | RunFailed | Exhausted | Halved


def encode(message: ToWorker | FromWorker) -> bytes:
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


async def receive(reader: asyncio.StreamReader) -> FromWorker:
    """The next message of a worker; asyncio.IncompleteReadError when the worker is gone."""
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    message: FromWorker = pickle.loads(await reader.readexactly(length))  # noqa: S301  (from our own child)
    return message


class Link:
    """The worker's end: blocking, single-threaded."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, message: FromWorker) -> None:
        self._connection.sendall(encode(message))

    def receive(self) -> ToWorker:
        """The next message, waiting for it; EOFError when the coordinator is gone."""
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        message: ToWorker = pickle.loads(self._exactly(length))  # noqa: S301  (from our own parent)
        return message

    def waiting(self) -> bool:
        """Whether a message can be received without waiting long."""
        return bool(select.select([self._connection], [], [], 0)[0])

    def _exactly(self, count: int) -> bytes:
        received = bytearray()
        while len(received) < count:
            piece = self._connection.recv(min(count - len(received), 1 << 20))
            if not piece:
                raise EOFError("the coordinator is gone")
            received += piece
        return bytes(received)
