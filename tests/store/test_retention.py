"""Retention: what is old goes, a little at a time, and never what a job still shows."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select
from tests.store.made import certificate, claimed, job

from soundproof.errors import UnknownCertificate, UnknownJob
from soundproof.store.schema import CertificateRow, ClipRow
from soundproof.store.store import Store


class Now:
    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def aging(new_url: Callable[[], str], now: Now) -> Iterator[Store]:
    with Store(new_url(), clock=now) as opened:
        yield opened


def finished(store: Store, number: int) -> str:
    accepted = store.jobs.submit(job(1)).job
    store.clips.finish(claimed(store), certificate(number))
    return accepted.id


def test_the_oldest_jobs_that_have_ended_are_deleted_in_batches(aging: Store, now: Now) -> None:
    ids = []
    for number in range(5):
        ids.append(finished(aging, number))
        now.seconds += 1
    cutoff = now.moment()
    open_job = aging.jobs.submit(job(1)).job.id
    young = finished(aging, 9) if aging.clips.claim() else ""
    assert aging.retention.delete_jobs(finished_before=cutoff, most=3) == 3
    for old in ids[:3]:
        with pytest.raises(UnknownJob):
            aging.jobs.get(old)
    assert aging.retention.delete_jobs(finished_before=cutoff, most=3) == 2
    assert aging.retention.delete_jobs(finished_before=cutoff, most=3) == 0
    assert aging.jobs.get(open_job).clips.open == 1
    assert aging.jobs.get(young).clips.done == 1
    with aging.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(ClipRow)).scalar_one() == 2
        assert connection.execute(select(func.count()).select_from(CertificateRow)).scalar_one() == 6
    assert aging.conservation.tally().clips_accepted == 2
    assert aging.conservation.faults() == ()


def test_certificates_that_a_job_still_shows_are_not_deleted(aging: Store, now: Now) -> None:
    shown = finished(aging, 0)
    for number in range(1, 6):
        aging.certificates.keep(certificate(number))
    now.seconds += 10
    aging.certificates.keep(certificate(6))
    cutoff = datetime.fromtimestamp(now.seconds - 5, UTC)
    assert aging.retention.delete_certificates(created_before=cutoff, most=3) == 3
    assert aging.retention.delete_certificates(created_before=cutoff, most=3) == 2
    assert aging.retention.delete_certificates(created_before=cutoff, most=3) == 0
    assert [result.certificate for result in aging.results.each(shown)] == [certificate(0).body]
    assert aging.certificates.get(certificate(6).certificate_id) == certificate(6)
    with pytest.raises(UnknownCertificate):
        aging.certificates.get(certificate(1).certificate_id)
    assert aging.retention.delete_jobs(finished_before=cutoff) == 1
    assert aging.retention.delete_certificates(created_before=cutoff) == 1
