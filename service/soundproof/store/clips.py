"""The clips of jobs, for whoever works on them: claimed in turn, begun, voted on, settled."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, select, update

from soundproof.errors import ClaimLost
from soundproof.smoothing.certification import Votes
from soundproof.smoothing.plan import Block
from soundproof.store import work
from soundproof.store.certificates import KeptCertificate, keep
from soundproof.store.clock import Clock, milliseconds
from soundproof.store.database import CLAIMS, Database, alone
from soundproof.store.held import account, hold, last_turn
from soundproof.store.schema import QUEUED_CLIP, RUNNING_CLIP, WAITING_JOB, AudioRow, ClipRow, Document, JobRow, WorkRow
from soundproof.store.states import State
from soundproof.store.work import Begun, Work


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A clip that is the claimer's to work on. `number`: how often it has been claimed, this time included: a clip that
    ends the process again and again can be told by it. `begun`: what an earlier claim has done of it. `traceparent`:
    the trace that its job was submitted in."""

    job_id: str
    clip_id: int
    number: int
    position: int
    name: str
    label: str | None
    fields: Document
    overrides: Document
    audio: bytes
    audio_sha256: str
    samples_planned: int
    begun: Begun | None
    traceparent: str | None = None


@dataclass(frozen=True)
class Clips:
    """Safe for many threads at once. Every method is a transaction of its own and may raise StoreUnavailable.

    What is done under a claim raises ClaimLost, and leaves nothing behind, once the clip was settled, cancelled,
    released or claimed anew: a clip is settled exactly once, by its latest claim or by the end of its job.
    """

    database: Database
    clock: Clock

    def claim(self) -> Claim | None:
        """The next clip, now running: jobs take turns, and each has its clips served in upload order. None when no
        clip is queued. It takes the same time however many clips and jobs there are."""
        with self.database.writing() as connection:
            # Else one could wait for a job whose last clip another takes, keep it locked, and go on to the next job.
            alone(connection, CLAIMS)
            next_job = (
                select(JobRow.id, JobRow.fields, JobRow.traceparent)
                .where(WAITING_JOB)
                .order_by(JobRow.turn, JobRow.id)
                .limit(1)
                .with_for_update()
            )
            row = connection.execute(next_job).one_or_none()
            if row is None:
                return None
            job_id, fields, traceparent = row
            connection.execute(update(JobRow).where(JobRow.id == job_id).values(turn=last_turn(connection)))
            return self._claimed(connection, job_id, fields, traceparent)

    def begin(self, claim: Claim, what: Work) -> bool:
        """Write down what the votes to come are votes of, before the first is recorded. True when the votes of an
        earlier claim add up with them; else those are deleted, and the clip starts from its first vote."""
        with self.database.writing() as connection:
            _check(connection, claim)
            return work.begin(connection, claim.clip_id, what)

    def record(self, claim: Claim, votes: Sequence[tuple[Block, Votes]]) -> None:
        """Keep votes, as a worker sends them, until the clip is settled."""
        with self.database.writing() as connection:
            _check(connection, claim)
            work.record(connection, claim.clip_id, votes)

    def finish(self, claim: Claim, certificate: KeptCertificate) -> KeptCertificate:
        """The clip is done. Returns the certificate that it has: the one that is kept for this request, which is an
        earlier one where the same was certified before."""
        with self.database.writing() as connection:
            kept = keep(connection, certificate, milliseconds(self.clock))
            self._leave(connection, claim, State.DONE, certificate_id=kept.certificate_id)
            return kept

    def fail(self, claim: Claim, problem: Document) -> None:
        """The clip has failed, alone; the rest of its job goes on."""
        with self.database.writing() as connection:
            self._leave(connection, claim, State.FAILED, problem=problem)

    def release(self, claim: Claim) -> None:
        """Back to the queue, votes and all."""
        with self.database.writing() as connection:
            self._leave(connection, claim, State.QUEUED)

    def recover(self, held: Collection[Claim] = ()) -> int:
        """Every running clip that nobody holds back to the queue, votes and all; how many there were. For the one
        service that works on this store: at its start, and after a claim of which it cannot tell whether it was
        written, since the connection was lost with the answer."""
        abandoned = and_(RUNNING_CLIP, *(ClipRow.id != claim.clip_id for claim in held))
        with self.database.writing() as connection:
            alone(connection, CLAIMS)  # else the server could get to write that claim after this
            jobs = connection.execute(select(ClipRow.job_id).where(abandoned).distinct()).scalars().all()
        recovered = 0
        for job_id in jobs:
            with self.database.writing() as connection:
                job = hold(connection, job_id)
                if job is not None:
                    back = update(ClipRow).where(ClipRow.job_id == job_id, abandoned).values(state=State.QUEUED)
                    how_many = connection.execute(back).rowcount
                    clips = job.clips.moved(State.RUNNING, State.QUEUED, how_many)
                    account(connection, job, clips, milliseconds(self.clock))
                    recovered += how_many
        return recovered

    def _claimed(self, connection: Connection, job_id: str, fields: Document, traceparent: str | None) -> Claim:
        held = hold(connection, job_id)
        assert held is not None  # noqa: S101  (its row is locked)
        first = (
            select(ClipRow.id)
            .where(ClipRow.job_id == job_id, QUEUED_CLIP)
            .order_by(ClipRow.position)
            .limit(1)
            .scalar_subquery()
        )
        clip = connection.execute(
            update(ClipRow)
            .where(ClipRow.id == first)
            .values(state=State.RUNNING, claim=ClipRow.claim + 1)
            .returning(
                ClipRow.id,
                ClipRow.claim,
                ClipRow.position,
                ClipRow.name,
                ClipRow.label,
                ClipRow.overrides,
                ClipRow.audio_sha256,
                ClipRow.samples_planned,
            )
        ).one()
        account(connection, held, held.clips.moved(State.QUEUED, State.RUNNING), milliseconds(self.clock))
        clip_id, number, position, name, label, overrides, audio_sha256, samples_planned = clip
        (audio,) = connection.execute(select(AudioRow.audio).where(AudioRow.clip_id == clip_id)).one()
        return Claim(
            job_id=job_id,
            clip_id=clip_id,
            number=number,
            position=position,
            name=name,
            label=label,
            fields=fields,
            overrides=overrides,
            audio=audio,
            audio_sha256=audio_sha256,
            samples_planned=samples_planned,
            begun=work.begun(connection, clip_id),
            traceparent=traceparent,
        )

    def _leave(self, connection: Connection, claim: Claim, target: State, **values: Any) -> None:
        """Take the clip out of the state `running`, and account for it."""
        held = hold(connection, claim.job_id)
        if held is None:
            raise _lost(claim)
        _check(connection, claim)
        if not target.open:
            for table in (AudioRow, WorkRow):
                connection.execute(delete(table).where(table.clip_id == claim.clip_id))
        connection.execute(update(ClipRow).where(*_is_held(claim)).values(state=target, open=target.open, **values))
        settled = 0 if target.open else claim.samples_planned
        clips = held.clips.moved(State.RUNNING, target)
        account(connection, held, clips, milliseconds(self.clock), samples_settled=settled)


def _is_held(claim: Claim) -> tuple[Any, ...]:
    """Row numbers may be given again after a job was deleted, hence the job."""
    return (
        ClipRow.id == claim.clip_id,
        ClipRow.job_id == claim.job_id,
        ClipRow.claim == claim.number,
        ClipRow.state == State.RUNNING,
    )


def _check(connection: Connection, claim: Claim) -> None:
    """Lock the clip before anything that belongs to it."""
    if connection.execute(select(ClipRow.id).where(*_is_held(claim)).with_for_update()).one_or_none() is None:
        raise _lost(claim)


def _lost(claim: Claim) -> ClaimLost:
    return ClaimLost(f"Clip {claim.position} of job {claim.job_id!r} was settled or claimed anew meanwhile.")
