"""Deleting what is old, a little at a time."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, select

from soundproof.store.database import Database
from soundproof.store.schema import FINISHED_JOB, CertificateRow, ClipRow, JobRow


@dataclass(frozen=True)
class Retention:
    """Safe for many threads at once; may raise StoreUnavailable. Call again until fewer than `most` were deleted."""

    database: Database

    def delete_jobs(self, *, finished_before: datetime, most: int = 10) -> int:
        """Delete jobs that have ended, the oldest first, each in a transaction of its own: with its clips and their
        results, not with their certificates. How many were deleted."""
        before_ms = _milliseconds(finished_before)
        oldest = select(JobRow.id).where(FINISHED_JOB, JobRow.finished_ms < before_ms).order_by(JobRow.finished_ms)
        for deleted in range(most):
            with self.database.writing() as connection:
                row = connection.execute(oldest.limit(1).with_for_update()).one_or_none()
                if row is None:
                    return deleted
                connection.execute(delete(JobRow).where(JobRow.id == row[0]))
        return most

    def delete_certificates(self, *, created_before: datetime, most: int = 1000) -> int:
        """Delete certificates, the oldest first, except those that a job's results still have. How many."""
        needed = exists().where(ClipRow.certificate_id == CertificateRow.certificate_id)
        with self.database.writing() as connection:
            old = connection.execute(
                select(CertificateRow.certificate_id)
                .where(CertificateRow.created_ms < _milliseconds(created_before), ~needed)
                .order_by(CertificateRow.created_ms)
                .limit(most)
                .with_for_update(skip_locked=True)
            ).scalars()
            # Looked at again now that they are locked: a clip may have come to need one before they were.
            unneeded = delete(CertificateRow).where(CertificateRow.certificate_id.in_(old.all()), ~needed)
            return connection.execute(unneeded).rowcount


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
