"""What a job tells while it runs."""

from dataclasses import dataclass

from soundproof.job import Job, JobResult


@dataclass(frozen=True)
class Progressed:
    """Where the job stands now."""

    job: Job


@dataclass(frozen=True)
class Settled:
    """A clip is done, failed or cancelled. They come in upload order, each once."""

    result: JobResult


@dataclass(frozen=True)
class Ended:
    """No clip is open any more. The last event."""

    job: Job


JobEvent = Progressed | Settled | Ended
