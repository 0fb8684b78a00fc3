"""A job as a document: many clips handed in at once, certified while nobody waits, and what became of each."""

from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from soundproof.certificate import Certificate


class State(StrEnum):
    """Of a clip, and of a job.

    A clip is `queued` until it is claimed, `running` while somebody works on it, and settled from then on: `done` with
    a certificate, `failed` with a problem, or `cancelled` with its job. The state of a job follows from its clips.
    """

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def open(self) -> bool:
        """Not settled: there is still something to do."""
        return self in (State.QUEUED, State.RUNNING)


class _Part(BaseModel):
    # What a newer service says besides is no error to an older client.
    model_config = ConfigDict(frozen=True)


class JobClips(_Part):
    """How many of the job's clips are in each state."""

    total: int
    queued: int
    running: int
    done: int = Field(description="with a certificate, which may be an abstention")
    failed: int = Field(description="each with a problem of its own")
    cancelled: int


class JobSamples(_Part):
    """Noise samples, selection included."""

    planned: int = Field(description="n0 + n of every clip; a gate may need fewer")
    done: int = Field(description="a settled clip counts with its whole plan, an open one with the votes it has")


class Job(_Part):
    """A job at one moment."""

    id: str
    state: State = Field(
        description="queued, running, or ended: done, with at least one certificate; failed, with none; or cancelled"
    )
    created_at: AwareDatetime = Field(description="UTC, ISO 8601")
    started_at: AwareDatetime | None = Field(description="when the first clip was begun; null before")
    finished_at: AwareDatetime | None = Field(description="when the last clip was settled; null before")
    clips: JobClips
    samples: JobSamples
    eta_s: float | None = Field(
        description="seconds until all clips are settled, by the measured speed; null where that is not known"
    )
    expected_end: AwareDatetime | None = Field(description="the same as a moment")
    fields: dict[str, Any] = Field(
        description="what was asked of all clips: the fields of POST /certify that were sent"
    )


class JobResult(_Part):
    """What became of a clip of a job: exactly when it is done it has a certificate, when it failed a problem."""

    position: int = Field(description="of the clip in the job, in the order of the upload, from 0", ge=0)
    clip: str = Field(description="the clip's name, as it was handed in")
    label: str | None = Field(description="the true class, if the caller gave it")
    audio_sha256: str = Field(description="of the uploaded bytes")
    state: State = Field(description="done, failed or cancelled")
    certificate: Certificate | None = Field(None, description="as POST /certify would have answered")
    problem: dict[str, Any] | None = Field(
        None, description="type, title, status, detail, code and hint, as POST /certify would have answered"
    )
