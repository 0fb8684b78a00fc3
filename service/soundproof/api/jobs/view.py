"""Jobs and their results as they are answered."""

import json
from datetime import UTC, datetime, timedelta

from soundproof.api.answers import Answers
from soundproof.job import Job, JobClips, JobResult, JobSamples
from soundproof.store.jobs import Job as KeptJob
from soundproof.store.results import Result

# What is longer says nothing: the clock was set, or the service was away for most of it.
LONGEST_ETA_S = 366 * 86_400.0


def job_document(kept: KeptJob) -> Job:
    now = datetime.now(UTC)
    eta_s = _eta_s(kept, now)
    clips = kept.clips
    return Job(
        id=kept.id,
        state=kept.state,
        created_at=kept.created_at,
        started_at=kept.started_at,
        finished_at=kept.finished_at,
        clips=JobClips(
            total=clips.total,
            queued=clips.queued,
            running=clips.running,
            done=clips.done,
            failed=clips.failed,
            cancelled=clips.cancelled,
        ),
        samples=JobSamples(planned=kept.samples_planned, done=kept.samples_done),
        eta_s=eta_s,
        expected_end=kept.finished_at or (None if eta_s is None else now + timedelta(seconds=eta_s)),
        fields=kept.fields,
    )


def _eta_s(kept: KeptJob, now: datetime) -> float | None:
    """The job's own speed so far goes on; what it shared the workers with, and a time when the service was down, count
    as they were."""
    if kept.finished_at is not None:
        return 0.0
    if kept.started_at is None or not kept.samples_done:
        return None
    elapsed_s = (now - kept.started_at).total_seconds()
    left_s = max(0.0, elapsed_s) * (kept.samples_planned - kept.samples_done) / kept.samples_done
    return round(left_s, 1) if left_s < LONGEST_ETA_S else None


def result_line(result: Result, answers: Answers) -> bytes:
    """One line of JSON; the certificate in it is the bytes that POST /certify answers."""
    document = JobResult(
        position=result.position,
        clip=result.name,
        label=result.label,
        audio_sha256=result.audio_sha256,
        state=result.state,
        problem=result.problem,
    )
    without = document.model_dump(mode="json", exclude={"certificate", "problem"})
    head = json.dumps(without, ensure_ascii=False, separators=(",", ":")).encode()
    if result.certificate is not None:
        return head[:-1] + b',"certificate":' + answers.of_the_day(result.certificate) + b"}\n"
    if result.problem is not None:
        return head[:-1] + b',"problem":' + json.dumps(result.problem, ensure_ascii=False).encode() + b"}\n"
    return head + b"\n"
