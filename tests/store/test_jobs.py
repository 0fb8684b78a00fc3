"""Jobs: accepted as a whole or not at all, once per idempotency key, cancelled as a whole."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import func, select
from tests.store.made import PROBLEM, SAMPLES, certificate, claimed, clip, job, votes_of, work

from soundproof.errors import ClaimLost, IdempotencyConflict, JobFinished, UnknownJob
from soundproof.smoothing.noise_address import Stage
from soundproof.store.schema import AudioRow, Base, ClipRow, JobRow, VotesRow, WorkRow
from soundproof.store.states import Counts, State
from soundproof.store.store import Store
from soundproof.store.submission import NewJob


def rows(store: Store, table: type[Base]) -> int:
    with store.database.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_an_accepted_job_is_there_with_all_its_clips(url: str) -> None:
    with Store(url, clock=lambda: 1_800_000_000.0625) as store:
        accepted = store.jobs.submit(job(3, idempotency_key="k"))
    with Store(url) as store:
        found = store.jobs.get(accepted.job.id)
        assert accepted.created
        assert found == accepted.job
        assert found.clips == Counts(queued=3)
        assert (found.state, found.samples_planned, found.samples_done) == (State.QUEUED, 3 * SAMPLES, 0)
        assert found.fields == job(3).fields
        assert found.created_at.isoformat() == "2027-01-15T08:00:00.062000+00:00"
        assert found.started_at is None
        assert found.finished_at is None
        assert rows(store, AudioRow) == 3


def test_a_job_of_which_one_clip_cannot_be_read_leaves_nothing_behind(store: Store) -> None:
    def unreadable() -> bytes:
        raise OSError("the upload is gone")

    with pytest.raises(OSError, match="gone"):
        store.jobs.submit(job([clip(0), clip(1), clip(2, audio=unreadable)]))
    with pytest.raises(ValueError, match="clip 1 is not what its digest says"):
        store.jobs.submit(job([clip(0), clip(1, audio=lambda: b"other")]))
    assert [rows(store, table) for table in (JobRow, ClipRow, AudioRow)] == [0, 0, 0]


def test_a_job_without_clips_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="at least one clip"):
        NewJob(fields={}, clips=())


def test_the_same_submission_under_one_key_is_one_job(store: Store) -> None:
    first = store.jobs.submit(job(3, idempotency_key="k"))
    again = store.jobs.submit(job(3, idempotency_key="k"))
    assert not again.created
    assert again.job == first.job
    assert store.jobs.submit(job(3)).job.id != store.jobs.submit(job(3)).job.id
    assert rows(store, JobRow) == 3


@pytest.mark.parametrize(
    "other",
    [
        job(2, idempotency_key="k"),
        job(3, idempotency_key="k", fields={"n": 201}),
        job([clip(0), clip(2), clip(1)], idempotency_key="k"),
        job([clip(0), clip(1), clip(2, label=None)], idempotency_key="k"),
        job([clip(0), clip(1), clip(2, overrides={})], idempotency_key="k"),
        job([clip(0), clip(1), clip(2, name="other")], idempotency_key="k"),
        job([clip(0), clip(1), replace(clip(2), audio_sha256=clip(3).audio_sha256)], idempotency_key="k"),
    ],
)
def test_another_submission_under_the_same_key_is_refused(store: Store, other: NewJob) -> None:
    first = store.jobs.submit(job(3, idempotency_key="k"))
    with pytest.raises(IdempotencyConflict, match="'k'"):
        store.jobs.submit(other)
    assert store.jobs.get(first.job.id) == first.job
    assert rows(store, ClipRow) == 3


def test_the_same_submission_from_many_threads_is_one_job(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        accepted = list(pool.map(lambda _: store.jobs.submit(job(5, idempotency_key="k")), range(8)))
    assert [each.created for each in accepted].count(True) == 1
    assert len({each.job.id for each in accepted}) == 1
    assert rows(store, ClipRow) == 5


def test_a_clip_that_has_failed_already_is_listed_and_its_audio_is_not_kept(store: Store) -> None:
    accepted = store.jobs.submit(job([clip(0), clip(1, problem=PROBLEM, samples_planned=0)])).job
    assert accepted.clips == Counts(queued=1, failed=1)
    assert rows(store, AudioRow) == 1
    [result] = store.results.page(accepted.id)
    assert (result.position, result.problem) == (1, PROBLEM)


def test_a_job_of_which_every_clip_has_failed_already_has_ended(store: Store) -> None:
    accepted = store.jobs.submit(job([clip(0, problem=PROBLEM)])).job
    assert accepted.state is State.FAILED
    assert accepted.finished_at == accepted.created_at
    assert accepted.started_at is None
    assert store.clips.claim() is None


def test_an_unknown_job_is_told_as_such(store: Store) -> None:
    with pytest.raises(UnknownJob):
        store.jobs.get("job_0")
    with pytest.raises(UnknownJob):
        store.jobs.cancel("job_0")
    with pytest.raises(UnknownJob):
        store.results.page("job_0")
    with pytest.raises(UnknownJob):
        next(store.results.each("job_0"))


def test_a_cancelled_job_keeps_its_certificates_and_nothing_of_its_open_clips(store: Store) -> None:
    other = store.jobs.submit(job(1)).job
    cancelled = store.jobs.submit(job(4)).job
    claims = [claim for claim in iter(store.clips.claim, None) if claim.job_id == cancelled.id]
    store.clips.finish(claims[0], certificate(0))
    blocks = work().plan.blocks(Stage.SELECTION)
    store.clips.begin(claims[1], work())
    store.clips.record(claims[1], [(block, votes_of(work().plan, block)) for block in blocks])
    store.clips.release(claims[2])
    after = store.jobs.cancel(cancelled.id)
    assert after.clips == Counts(done=1, cancelled=3)
    assert after.state is State.CANCELLED
    assert after.finished_at is not None
    assert after.samples_done == after.samples_planned
    assert [rows(store, table) for table in (AudioRow, WorkRow, VotesRow)] == [1, 0, 0]
    assert [result.state for result in store.results.each(cancelled.id)] == [State.DONE] + 3 * [State.CANCELLED]
    assert store.jobs.get(other.id).clips == Counts(running=1)
    for act in (
        lambda: store.clips.finish(claims[1], certificate(1)),
        lambda: store.clips.record(claims[1], [(blocks[0], votes_of(work().plan, blocks[0]))]),
    ):
        with pytest.raises(ClaimLost):
            act()
    assert store.certificates.answer_to(certificate(1).request_key) is None
    assert store.jobs.get(cancelled.id) == after


def test_to_cancel_twice_changes_nothing(store: Store) -> None:
    accepted = store.jobs.submit(job(2)).job
    assert store.jobs.cancel(accepted.id) == store.jobs.cancel(accepted.id)


@pytest.mark.parametrize("end", [State.DONE, State.FAILED])
def test_a_job_that_has_ended_cannot_be_cancelled(store: Store, end: State) -> None:
    accepted = store.jobs.submit(job(1)).job
    if end is State.DONE:
        store.clips.finish(claimed(store), certificate(0))
    else:
        store.clips.fail(claimed(store), PROBLEM)
    with pytest.raises(JobFinished, match=end):
        store.jobs.cancel(accepted.id)
    assert store.jobs.get(accepted.id).state is end


def test_a_job_is_done_with_one_certificate_and_failed_without_any(store: Store) -> None:
    mixed = store.jobs.submit(job(2)).job
    store.clips.fail(claimed(store), PROBLEM)
    assert store.jobs.get(mixed.id).state is State.RUNNING
    store.clips.finish(claimed(store), certificate(0))
    assert store.jobs.get(mixed.id).state is State.DONE
    hopeless = store.jobs.submit(job(2)).job
    for _ in range(2):
        store.clips.fail(claimed(store), PROBLEM)
    assert store.jobs.get(hopeless.id).state is State.FAILED


def test_progress_counts_kept_votes_and_the_whole_plan_of_settled_clips(store: Store) -> None:
    accepted = store.jobs.submit(job(3)).job
    store.clips.finish(claimed(store), certificate(0))
    claim = claimed(store)
    plan = work().plan
    [block] = plan.blocks(Stage.SELECTION)
    store.clips.begin(claim, work())
    store.clips.record(claim, [(block, votes_of(plan, block))])
    assert store.jobs.get(accepted.id).samples_done == SAMPLES + block.samples
    store.clips.release(claim)
    assert store.jobs.get(accepted.id).samples_done == SAMPLES + block.samples


def test_times_are_those_of_the_first_claim_and_the_last_clip(new_url: Callable[[], str]) -> None:
    now = 1000.0
    with Store(new_url(), clock=lambda: now) as store:
        accepted = store.jobs.submit(job(2)).job
        times = []
        for number in range(2):
            now += 1
            claim = claimed(store)
            now += 1
            store.clips.finish(claim, certificate(number))
            found = store.jobs.get(accepted.id)
            times.append([moment and moment.timestamp() for moment in (found.started_at, found.finished_at)])
        assert times == [[1001.0, None], [1001.0, 1004.0]]
