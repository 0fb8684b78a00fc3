"""Conservation: whatever was accepted is done, failed, cancelled, running or queued, and nothing is lost."""

from dataclasses import dataclass, field

from sqlalchemy import func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from soundproof.store.clock import Clock, milliseconds
from soundproof.store.database import Database
from soundproof.store.schema import AudioRow, ClipRow, JobRow, WorkRow
from soundproof.store.states import Counts, State


@dataclass(frozen=True, kw_only=True)
class Tally:
    """`clips_accepted` was written down when the jobs were accepted, apart from what `clips` counts today.
    `oldest_waiting_s`: how long the first of the queued clips has waited since then, 0 where there is none. Two
    tallies are equal where their counts are."""

    jobs: Counts
    clips: Counts
    clips_accepted: int
    oldest_waiting_s: float = field(default=0.0, compare=False)

    @property
    def conserved(self) -> bool:
        return self.clips_accepted == self.clips.total


_COLUMNS: dict[State, InstrumentedAttribute[int]] = {
    State.QUEUED: JobRow.queued,
    State.RUNNING: JobRow.running,
    State.DONE: JobRow.done,
    State.FAILED: JobRow.failed,
    State.CANCELLED: JobRow.cancelled,
}


@dataclass(frozen=True)
class Conservation:
    """Safe for many threads at once. Every method is a transaction of its own and may raise StoreUnavailable."""

    database: Database
    clock: Clock

    def tally(self) -> Tally:
        """One query over the jobs that are kept; their clips are not looked at."""
        sums = [func.sum(column) for column in _COLUMNS.values()]
        with self.database.reading() as connection:
            rows = connection.execute(
                select(
                    JobRow.state,
                    func.count(),
                    func.sum(JobRow.clips),
                    func.min(JobRow.created_ms).filter(JobRow.queued > 0),
                    *sums,
                ).group_by(JobRow.state)
            ).all()
        clips = {state.value: sum(int(row[4 + place]) for row in rows) for place, state in enumerate(_COLUMNS)}
        waiting_since_ms = [row[3] for row in rows if row[3] is not None]
        now_ms = milliseconds(self.clock)
        return Tally(
            jobs=Counts(**{row[0].value: row[1] for row in rows}),
            clips=Counts(**clips),
            clips_accepted=sum(int(row[2]) for row in rows),
            oldest_waiting_s=max(0, now_ms - min(waiting_since_ms, default=now_ms)) / 1000,
        )

    def faults(self) -> tuple[str, ...]:
        """What contradicts itself, in words; nothing, always. Reads every clip: for tests, and for operators who
        suspect their disk."""
        counted = [func.count().filter(ClipRow.state == state).label(state.value) for state in _COLUMNS]
        per_job = (
            select(ClipRow.job_id, *counted, func.sum(ClipRow.samples_planned).label("samples"))
            .group_by(ClipRow.job_id)
            .subquery()
        )
        differs = or_(
            per_job.c.job_id.is_(None),
            per_job.c.samples != JobRow.samples_planned,
            *(per_job.c[state.value] != column for state, column in _COLUMNS.items()),
        )
        jobs = select(JobRow.id).outerjoin(per_job, per_job.c.job_id == JobRow.id).where(differs)
        silent = (select(ClipRow.id).outerjoin(AudioRow, AudioRow.clip_id == ClipRow.id)).where(
            ClipRow.open, AudioRow.clip_id.is_(None)
        )
        kept = [
            select(table.clip_id)
            .outerjoin(ClipRow, ClipRow.id == table.clip_id)
            .where(or_(ClipRow.id.is_(None), ~ClipRow.open))
            for table in (AudioRow, WorkRow)
        ]
        found = []
        with self.database.reading() as connection:
            for what, query in (
                ("job {} does not count its clips", jobs),
                ("open clip {} has no audio", silent),
                ("settled clip {} has audio", kept[0]),
                ("settled clip {} has votes", kept[1]),
            ):
                found += [what.format(row[0]) for row in connection.execute(query)]
        return tuple(found)
