"""What has become of a job's clips, in upload order, a page at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select

from soundproof.errors import UnknownJob
from soundproof.store.database import Database
from soundproof.store.schema import CertificateRow, ClipRow, Document, JobRow
from soundproof.store.states import State

PAGE_CLIPS = 100


@dataclass(frozen=True, kw_only=True)
class Result:
    """A settled clip. Exactly when it is done there is a `certificate`, the bytes that are answered for it; exactly
    when it has failed there is a `problem`."""

    position: int
    name: str
    label: str | None
    state: State
    audio_sha256: str
    certificate: bytes | None
    problem: Document | None


@dataclass(frozen=True)
class Results:
    """Safe for many threads at once. Every page is a transaction of its own and may raise StoreUnavailable."""

    database: Database

    def page(self, job_id: str, *, after: int = -1, most: int = PAGE_CLIPS) -> tuple[Result, ...]:
        """The settled clips behind position `after`, at most `most`, however many of them are settled by now. Raises
        UnknownJob."""
        with self.database.reading() as connection:
            results = _page(connection, job_id, after, most)
            if not results and connection.execute(select(JobRow.id).where(JobRow.id == job_id)).one_or_none() is None:
                raise UnknownJob(f"There is no job {job_id!r} here.", "It may have been deleted.")
            return results

    def each(self, job_id: str, *, page_clips: int = PAGE_CLIPS) -> Iterator[Result]:
        """All settled clips, `page_clips` of them in memory at a time, and no transaction open while the caller is
        busy: clips that are settled meanwhile may or may not be among them. Raises UnknownJob, at the first."""
        page = self.page(job_id, most=page_clips)
        while page:
            yield from page
            page = self.page(job_id, after=page[-1].position, most=page_clips)


def _page(connection: Connection, job_id: str, after: int, most: int) -> tuple[Result, ...]:
    rows = connection.execute(
        select(
            ClipRow.position,
            ClipRow.name,
            ClipRow.label,
            ClipRow.state,
            ClipRow.audio_sha256,
            ClipRow.problem,
            CertificateRow.body,
        )
        .outerjoin(CertificateRow, CertificateRow.certificate_id == ClipRow.certificate_id)
        .where(ClipRow.job_id == job_id, ClipRow.position > after, ~ClipRow.open)
        .order_by(ClipRow.position)
        .limit(most)
    )
    return tuple(
        Result(
            position=position,
            name=name,
            label=label,
            state=state,
            audio_sha256=audio_sha256,
            certificate=body,
            problem=problem,
        )
        for position, name, label, state, audio_sha256, problem, body in rows
    )
