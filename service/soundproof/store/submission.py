"""What is handed in: a job, its clips, and the digest of both."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from soundproof.certificate import canonical_json
from soundproof.store.schema import Document
from soundproof.store.states import State


@dataclass(frozen=True, kw_only=True)
class NewClip:
    """`audio` gives the uploaded file's bytes, once, when they are written: a job of many clips is never in memory as a
    whole. `samples_planned`: noise samples, n0 + n. `overrides`: fields of this clip that differ from the job's.

    With a `problem` the clip has failed already: it is listed with the others, and its audio is not kept.
    """

    name: str
    audio: Callable[[], bytes]
    audio_sha256: str
    samples_planned: int
    label: str | None = None
    overrides: Document = field(default_factory=dict)
    problem: Document | None = None

    @property
    def state(self) -> State:
        return State.QUEUED if self.problem is None else State.FAILED


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """`fields`: what is asked of all clips, which are in upload order. `idempotency_key`: the caller's name for this
    submission, so that sending it again does not make another job. `id`: the job's, unless it was accepted before.
    `traceparent`: the trace of the submission (W3C), for the traces of its clips to refer to."""

    fields: Document
    clips: tuple[NewClip, ...]
    idempotency_key: str | None = None
    id: str = field(default_factory=lambda: f"job_{secrets.token_hex(16)}", compare=False)
    traceparent: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not self.clips:
            raise ValueError("a job has at least one clip")

    @property
    def content_sha256(self) -> str:
        """SHA-256, in hex, of all that was sent: equal for a submission that is sent again."""
        clips = [[clip.name, clip.label, clip.overrides, clip.audio_sha256] for clip in self.clips]
        return hashlib.sha256(canonical_json({"fields": self.fields, "clips": clips})).hexdigest()
