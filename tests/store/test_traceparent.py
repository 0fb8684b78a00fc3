"""The trace that a job was submitted in is kept with it, and is no part of what it is."""

from dataclasses import replace

from tests.store.made import job

from soundproof.store.store import Store

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_every_claim_has_it_after_a_restart_too(url: str) -> None:
    with Store(url) as store:
        store.jobs.submit(replace(job(2), traceparent=TRACE))
        first = store.clips.claim()
        assert first is not None
        assert first.traceparent == TRACE
        store.clips.release(first)
    with Store(url) as store:
        again = store.clips.claim()
        assert again is not None
        assert (again.position, again.traceparent) == (0, TRACE)


def test_the_same_submission_in_another_trace_is_the_same_job(url: str) -> None:
    with Store(url) as store:
        first = store.jobs.submit(replace(job(1), idempotency_key="k", traceparent=TRACE))
        again = store.jobs.submit(replace(job(1), idempotency_key="k", traceparent=None))
        assert (first.created, again.created) == (True, False)
        assert again.job.id == first.job.id
        claim = store.clips.claim()
        assert claim is not None
        assert claim.traceparent == TRACE
