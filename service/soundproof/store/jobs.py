"""Jobs: handed in, looked up, cancelled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from soundproof.errors import IdempotencyConflict, JobFinished, UnknownJob
from soundproof.store.clock import Clock, milliseconds, moment
from soundproof.store.database import Database, insert_new
from soundproof.store.held import account, hold, last_turn
from soundproof.store.schema import AudioRow, ClipRow, Document, JobRow, VotesRow, WorkRow
from soundproof.store.states import Counts, State, job_state
from soundproof.store.submission import NewClip, NewJob

# Clips whose rows are inserted by one statement.
TOGETHER = 500


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job at one moment. Samples are noise samples; `samples_done` counts a settled clip's whole plan, however many
    it took, and of an open clip those whose votes are kept."""

    id: str
    state: State
    fields: Document
    idempotency_key: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    clips: Counts
    samples_planned: int
    samples_done: int


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """`created`: false where this very submission was accepted before, and nothing was added."""

    job: Job
    created: bool


@dataclass(frozen=True)
class Jobs:
    """Safe for many threads at once. Every method is a transaction of its own and may raise StoreUnavailable."""

    database: Database
    clock: Clock

    def submit(self, new: NewJob) -> Accepted:
        """Accept a job with all its clips, or nothing of it. When this returns, the job outlives the process.

        Other writers wait meanwhile, on SQLite: every clip's `audio` should be at hand. Raises IdempotencyConflict when
        the key stands for other content, and ValueError when an audio is not what its digest says.
        """
        content_sha256 = new.content_sha256
        with self.database.writing() as connection:
            row = _row(new, content_sha256, last_turn(connection), milliseconds(self.clock))
            while not insert_new(connection, JobRow, row):
                same = select(JobRow.id, JobRow.content_sha256).where(JobRow.idempotency_key == new.idempotency_key)
                known = connection.execute(same).one_or_none()
                if known is None:
                    continue  # it was deleted between the two statements
                job_id, known_sha256 = known
                if known_sha256 != content_sha256:
                    raise IdempotencyConflict(
                        f"Idempotency key {new.idempotency_key!r} stands for another job, of other clips or fields.",
                        "Use a new key for a new job.",
                    )
                return Accepted(job=_job(connection, job_id), created=False)
            for first in range(0, len(new.clips), TOGETHER):
                _insert_clips(connection, row["id"], first, new.clips[first : first + TOGETHER])
            return Accepted(job=_job(connection, row["id"]), created=True)

    def knows(self, idempotency_key: str | None) -> bool:
        """Whether a job was accepted under that key."""
        if idempotency_key is None:
            return False
        with self.database.reading() as connection:
            found = select(JobRow.id).where(JobRow.idempotency_key == idempotency_key)
            return connection.execute(found).one_or_none() is not None

    def get(self, job_id: str) -> Job:
        """Raises UnknownJob."""
        with self.database.reading() as connection:
            return _job(connection, job_id)

    def cancel(self, job_id: str) -> Job:
        """Cancel every clip that is not settled, and delete what was kept for it. Whoever works on one of them is told
        by ClaimLost. A job that was cancelled before stays as it is. Raises UnknownJob, and JobFinished when there is
        nothing left to cancel."""
        with self.database.writing() as connection:
            held = hold(connection, job_id)
            if held is None:
                raise _unknown(job_id)
            if held.state in (State.DONE, State.FAILED):
                raise JobFinished(f"Job {job_id!r} has ended: it is {held.state}.", "Its results are there to be read.")
            if held.clips.open:
                ids = select(ClipRow.id).where(ClipRow.job_id == job_id, ClipRow.open)
                connection.execute(ids.with_for_update())  # the clips are locked before what belongs to them
                for table in (AudioRow, WorkRow):
                    connection.execute(delete(table).where(table.clip_id.in_(ids)))
                connection.execute(
                    update(ClipRow)
                    .where(ClipRow.job_id == job_id, ClipRow.open)
                    .values(state=State.CANCELLED, open=False)
                )
                clips = held.clips.moved(State.QUEUED, State.CANCELLED, held.clips.queued)
                clips = clips.moved(State.RUNNING, State.CANCELLED, held.clips.running)
                left = held.samples_planned - held.samples_settled
                account(connection, held, clips, milliseconds(self.clock), samples_settled=left)
            return _job(connection, job_id)


def _row(new: NewJob, content_sha256: str, turn: int, now_ms: int) -> dict[str, Any]:
    failed = [clip for clip in new.clips if clip.state is State.FAILED]
    clips = Counts(queued=len(new.clips) - len(failed), failed=len(failed))
    return {
        "id": new.id,
        "idempotency_key": new.idempotency_key,
        "content_sha256": content_sha256,
        "fields": new.fields,
        "traceparent": new.traceparent,
        "state": job_state(clips, started=False),
        "created_ms": now_ms,
        "finished_ms": None if clips.open else now_ms,
        "turn": turn,
        "clips": clips.total,
        "queued": clips.queued,
        "running": 0,
        "done": 0,
        "failed": clips.failed,
        "cancelled": 0,
        "samples_planned": sum(clip.samples_planned for clip in new.clips),
        "samples_settled": sum(clip.samples_planned for clip in failed),
    }


def _insert_clips(connection: Connection, job_id: str, first: int, clips: Sequence[NewClip]) -> None:
    rows = [
        {
            "job_id": job_id,
            "position": position,
            "name": clip.name,
            "label": clip.label,
            "overrides": clip.overrides,
            "audio_sha256": clip.audio_sha256,
            "samples_planned": clip.samples_planned,
            "state": clip.state,
            "open": clip.state.open,
            "claim": 0,
            "problem": clip.problem,
        }
        for position, clip in enumerate(clips, first)
    ]
    inserted = insert(ClipRow).returning(ClipRow.id, sort_by_parameter_order=True)
    ids = connection.execute(inserted, rows).scalars()
    for position, (clip_id, clip) in enumerate(zip(ids, clips, strict=True), first):
        if clip.state.open:
            audio = clip.audio()  # one at a time: all of them could be more than the memory holds
            if sha256(audio).hexdigest() != clip.audio_sha256:
                raise ValueError(f"the audio of clip {position} is not what its digest says")
            connection.execute(insert(AudioRow), {"clip_id": clip_id, "open": True, "audio": audio})


def _job(connection: Connection, job_id: str) -> Job:
    row = connection.execute(select(JobRow.__table__).where(JobRow.id == job_id)).mappings().one_or_none()
    if row is None:
        raise _unknown(job_id)
    (voted,) = connection.execute(
        select(func.coalesce(func.sum(VotesRow.samples), 0))
        .join(ClipRow, ClipRow.id == VotesRow.clip_id)
        .where(ClipRow.job_id == job_id, ClipRow.open)
    ).one()
    return Job(
        id=row["id"],
        state=row["state"],
        fields=row["fields"],
        idempotency_key=row["idempotency_key"],
        created_at=moment(row["created_ms"]),
        started_at=None if row["started_ms"] is None else moment(row["started_ms"]),
        finished_at=None if row["finished_ms"] is None else moment(row["finished_ms"]),
        clips=Counts(**{state.value: row[state.value] for state in State}),
        samples_planned=row["samples_planned"],
        samples_done=row["samples_settled"] + voted,
    )


def _unknown(job_id: str) -> UnknownJob:
    return UnknownJob(f"There is no job {job_id!r} here.", "It may have been deleted.")
