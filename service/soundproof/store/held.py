"""A job while a transaction changes it: its row is locked first, then its clips may change, and its counts too."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from soundproof.store.schema import WAITING_JOB, JobRow
from soundproof.store.states import Counts, State, job_state


@dataclass(frozen=True, kw_only=True)
class Held:
    """What the job was when it was locked; nobody else changes it before this transaction ends."""

    id: str
    state: State
    clips: Counts
    started_ms: int | None
    samples_settled: int
    samples_planned: int


def hold(connection: Connection, job_id: str) -> Held | None:
    """Lock a job; None when there is none of that id."""
    row = connection.execute(
        select(
            JobRow.state,
            JobRow.queued,
            JobRow.running,
            JobRow.done,
            JobRow.failed,
            JobRow.cancelled,
            JobRow.started_ms,
            JobRow.samples_settled,
            JobRow.samples_planned,
        )
        .where(JobRow.id == job_id)
        .with_for_update()
    ).one_or_none()
    if row is None:
        return None
    state, queued, running, done, failed, cancelled, started_ms, samples_settled, samples_planned = row
    return Held(
        id=job_id,
        state=state,
        clips=Counts(queued=queued, running=running, done=done, failed=failed, cancelled=cancelled),
        started_ms=started_ms,
        samples_settled=samples_settled,
        samples_planned=samples_planned,
    )


def account(connection: Connection, held: Held, clips: Counts, now_ms: int, *, samples_settled: int = 0) -> None:
    """Write down what the job's clips are now, and what follows from it. `samples_settled`: planned noise samples of
    the clips that were settled just now."""
    values: dict[str, Any] = {}
    started_ms = held.started_ms
    if started_ms is None and clips.running:
        started_ms = values["started_ms"] = now_ms
    if not clips.open:
        values["finished_ms"] = now_ms
    connection.execute(
        update(JobRow)
        .where(JobRow.id == held.id)
        .values(
            state=job_state(clips, started=started_ms is not None),
            queued=clips.queued,
            running=clips.running,
            done=clips.done,
            failed=clips.failed,
            cancelled=clips.cancelled,
            samples_settled=held.samples_settled + samples_settled,
            **values,
        )
    )


def last_turn(connection: Connection) -> int:
    """A turn after those of all jobs that wait to be served."""
    (turn,) = connection.execute(select(func.coalesce(func.max(JobRow.turn), 0) + 1).where(WAITING_JOB)).one()
    return turn
