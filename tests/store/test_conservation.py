"""Conservation: whatever happens in whatever order, no clip is lost and none is settled twice."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import IntegrityError
from tests.store.made import PROBLEM, certificate, claimed, clip, job, votes_of, work

from soundproof.errors import ClaimLost, IdempotencyConflict, JobFinished
from soundproof.smoothing.noise_address import Stage
from soundproof.store.clips import Claim
from soundproof.store.schema import AudioRow, CertificateRow, ClipRow, JobRow, WorkRow
from soundproof.store.states import Counts, State
from soundproof.store.store import Store

LATER = datetime(2100, 1, 1, tzinfo=UTC)


class Operations(RuleBasedStateMachine):
    """Operations in any order, by callers that may have lost their claims, and ends of the process in between.

    `expected`: the state of every clip of every job, kept beside the store. `claims`: all that were ever made.
    """

    new_url: Callable[[], str]

    def __init__(self) -> None:
        super().__init__()
        self.expected: dict[str, list[State]] = {}
        self.keys: dict[str, tuple[str, int]] = {}
        self.claims: list[Claim] = []

    @initialize()
    def open(self) -> None:
        self.url = self.new_url()
        self.store = Store(self.url)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()

    @rule(clips=st.integers(1, 4), failed=st.integers(0, 2), key=st.sampled_from([None, "a", "b"]))
    def submit(self, clips: int, failed: int, key: str | None) -> None:
        problems = [PROBLEM] * min(failed, clips) + [None] * clips
        new = job([clip(n, problem=problem) for n, problem in zip(range(clips), problems, strict=False)])
        new = job(new.clips, idempotency_key=key)
        if key in self.keys and self.keys[key][1] != clips:
            with pytest.raises(IdempotencyConflict):
                self.store.jobs.submit(new)
            return
        accepted = self.store.jobs.submit(new)
        assert accepted.created == (key not in self.keys)
        if accepted.created:
            self.expected[accepted.job.id] = [State.QUEUED if c.problem is None else State.FAILED for c in new.clips]
            if key is not None:
                self.keys[key] = (accepted.job.id, clips)
        else:
            assert key is not None
            assert accepted.job.id == self.keys[key][0]

    @rule()
    def claim(self) -> None:
        claim = self.store.clips.claim()
        if claim is None:
            assert all(State.QUEUED not in states for states in self.expected.values())
            return
        states = self.expected[claim.job_id]
        assert claim.position == states.index(State.QUEUED)
        states[claim.position] = State.RUNNING
        self.claims.append(claim)

    @rule(data=st.data(), act=st.sampled_from(["finish", "fail", "release", "vote"]))
    def act(self, data: st.DataObject, act: str) -> None:
        if not self.claims:
            return
        claim = data.draw(st.sampled_from(self.claims))
        latest = [c for c in self.claims if (c.job_id, c.position) == (claim.job_id, claim.position)][-1] is claim
        held = latest and self.expected.get(claim.job_id, {claim.position: None})[claim.position] is State.RUNNING
        if not held:
            with pytest.raises(ClaimLost):
                self._do(act, claim)
            return
        self._do(act, claim)
        if act != "vote":
            ends = {"finish": State.DONE, "fail": State.FAILED, "release": State.QUEUED}
            self.expected[claim.job_id][claim.position] = ends[act]

    def _do(self, act: str, claim: Claim) -> None:
        clips = self.store.clips
        if act == "finish":
            clips.finish(claim, certificate(claim.position))
        elif act == "fail":
            clips.fail(claim, PROBLEM)
        elif act == "release":
            clips.release(claim)
        else:
            [block] = work().plan.blocks(Stage.SELECTION)
            clips.begin(claim, work())
            clips.record(claim, [(block, votes_of(work().plan, block))])

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if not self.expected:
            return
        job_id = data.draw(st.sampled_from(sorted(self.expected)))
        states = self.expected[job_id]
        if State.CANCELLED not in states and not any(state.open for state in states):
            with pytest.raises(JobFinished):
                self.store.jobs.cancel(job_id)
            return
        self.store.jobs.cancel(job_id)
        self.expected[job_id] = [State.CANCELLED if state.open else state for state in states]

    @rule()
    def end_of_the_process(self) -> None:
        """Without a word; kill -9 itself is test_crash.py's."""
        left, self.store = self.store, Store(self.url)
        left.close()
        running = sum(states.count(State.RUNNING) for states in self.expected.values())
        assert self.store.clips.recover() == running
        for states in self.expected.values():
            states[:] = [State.QUEUED if state is State.RUNNING else state for state in states]

    @rule()
    def retention(self) -> None:
        ended = [job_id for job_id, states in self.expected.items() if not any(state.open for state in states)]
        assert self.store.retention.delete_jobs(finished_before=LATER, most=100) == len(ended)
        self.store.retention.delete_certificates(created_before=LATER)
        for job_id in ended:
            del self.expected[job_id]
        self.keys = {key: value for key, value in self.keys.items() if value[0] in self.expected}

    @invariant()
    def conserved(self) -> None:
        if not hasattr(self, "store"):
            return
        tally = self.store.conservation.tally()
        counted = Counter(state.value for states in self.expected.values() for state in states)
        assert tally.clips == Counts(**counted)
        assert tally.conserved
        assert tally.jobs.total == len(self.expected)
        assert self.store.conservation.faults() == ()


def test_any_sequence_of_operations_and_crashes_conserves_clips_and_jobs(new_url: Callable[[], str]) -> None:
    class OnThisDatabase(Operations):
        pass

    OnThisDatabase.new_url = staticmethod(new_url)
    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


FORBIDDEN = {
    "a job that has lost a clip": update(JobRow).values(queued=JobRow.queued - 1),
    "a job with more clips than it accepted": update(JobRow).values(done=JobRow.done + 1),
    "a negative count": update(JobRow).values(queued=JobRow.queued + 1, failed=-1),
    "an end while clips are open": update(JobRow).values(finished_ms=1),
    "a state that its clips contradict": update(JobRow).values(state=State.DONE),
    "an open clip that is settled by name": update(ClipRow).values(open=False),
    "a settled clip whose audio is kept": update(ClipRow).values(state=State.CANCELLED, open=False),
    "a done clip without a certificate": update(ClipRow).values(state=State.DONE, open=False),
    "a queued clip with a problem": update(ClipRow).values(problem=PROBLEM),
    "a certificate that is not there": update(ClipRow).values(certificate_id="sha256:0"),
    "a clip of no job": update(ClipRow).values(job_id="job_0"),
    "audio of no clip": insert(AudioRow).values(clip_id=10**6, open=True, audio=b""),
    "audio of a settled clip": insert(AudioRow).values(clip_id=10**6, open=False, audio=b""),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_schema_makes_it_impossible(store: Store, what: str) -> None:
    store.jobs.submit(job(2))
    claim = claimed(store)
    store.clips.begin(claim, work())
    with pytest.raises(IntegrityError), store.database.writing() as connection:
        connection.execute(FORBIDDEN[what])
    assert store.conservation.faults() == ()


def test_a_certificate_that_a_clip_has_cannot_be_deleted(store: Store) -> None:
    store.jobs.submit(job(1))
    store.clips.finish(claimed(store), certificate(0))
    with pytest.raises(IntegrityError), store.database.writing() as connection:
        connection.execute(delete(CertificateRow))


def test_what_contradicts_itself_is_found(store: Store) -> None:
    accepted = store.jobs.submit(job(3)).job
    claims = list(iter(store.clips.claim, None))
    store.clips.begin(claims[0], work())
    with store.database.writing() as connection:
        connection.execute(delete(AudioRow).where(AudioRow.clip_id == claims[0].clip_id))
        connection.execute(delete(WorkRow).where(WorkRow.clip_id == claims[0].clip_id))
    assert store.conservation.faults() == (f"open clip {claims[0].clip_id} has no audio",)
    with store.database.writing() as connection:
        connection.execute(delete(ClipRow).where(ClipRow.id == claims[1].clip_id))
    assert store.conservation.faults()[0] == f"job {accepted.id} does not count its clips"
