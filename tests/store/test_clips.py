"""Clips: claimed in turn, settled exactly once, and gone on with where an earlier claim was left."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.smoothing.plans import gate_plan, plan_with
from tests.store.made import FACTS, PROBLEM, certificate, claimed, clip, job, votes_of, work

from soundproof.errors import ClaimLost
from soundproof.smoothing.certification import Certification, Geometry, Votes
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import Block
from soundproof.store.certificates import KeptCertificate
from soundproof.store.clips import Claim
from soundproof.store.documents import facts_document, facts_of, plan_document, plan_of
from soundproof.store.states import EDGES, Counts, State
from soundproof.store.store import Store
from soundproof.store.work import Begun


def test_jobs_take_turns_and_each_is_served_in_upload_order(store: Store) -> None:
    a, b = (store.jobs.submit(job(clips)).job.id for clips in (4, 2))
    served = [claimed(store) for _ in range(2)]
    c = store.jobs.submit(job(2)).job.id
    served += list(iter(store.clips.claim, None))
    # Two went before c came; from then on all three take turns, until only a has clips left.
    assert [claim.job_id for claim in served] == [a, b, a, b, c, a, c, a]
    for job_id in (a, b, c):
        positions = [claim.position for claim in served if claim.job_id == job_id]
        assert positions == list(range(len(positions)))


def test_a_claim_holds_what_was_handed_in(store: Store) -> None:
    submitted = store.jobs.submit(job([clip(7)])).job
    claim = claimed(store)
    given = clip(7)
    assert (claim.job_id, claim.number, claim.position, claim.begun) == (submitted.id, 1, 0, None)
    assert (claim.name, claim.label, claim.fields, claim.overrides) == (
        given.name,
        given.label,
        submitted.fields,
        given.overrides,
    )
    assert (claim.audio, claim.audio_sha256) == (given.audio(), given.audio_sha256)


def test_no_clip_is_claimed_twice_by_many_threads(store: Store) -> None:
    jobs = [store.jobs.submit(job(10)).job.id for _ in range(4)]

    def work_off(_: int) -> list[Claim]:
        return list(iter(store.clips.claim, None))

    with ThreadPoolExecutor(8) as pool:
        claims = [claim for each in pool.map(work_off, range(8)) for claim in each]
    assert sorted((claim.job_id, claim.position) for claim in claims) == sorted(
        (job_id, position) for job_id in jobs for position in range(10)
    )


def test_a_clip_is_settled_by_one_of_many_who_try(store: Store) -> None:
    accepted = store.jobs.submit(job(3)).job
    for claim in list(iter(store.clips.claim, None)):

        def settle(n: int, claim: Claim = claim) -> bool:
            try:
                if n % 2:
                    store.clips.fail(claim, PROBLEM)
                else:
                    store.clips.finish(claim, certificate(n))
            except ClaimLost:
                return False
            return True

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(settle, range(6))).count(True) == 1
    after = store.jobs.get(accepted.id)
    assert after.clips.settled == 3
    assert store.conservation.faults() == ()


def test_the_last_clips_of_a_job_finished_at_once_end_it(store: Store) -> None:
    for _ in range(5):
        accepted = store.jobs.submit(job(4)).job
        claims = list(iter(store.clips.claim, None))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda claim: store.clips.finish(claim, certificate(claim.clip_id)), claims))
        assert store.jobs.get(accepted.id).state is State.DONE


def test_a_finished_clip_gets_the_certificate_that_the_request_has_already(store: Store) -> None:
    accepted = store.jobs.submit(job(2)).job
    first = store.clips.finish(claimed(store), certificate(1, words="first"))
    assert store.clips.finish(claimed(store), certificate(2, key=1, words="second")) == first
    assert [result.certificate for result in store.results.each(accepted.id)] == [first.body, first.body]


ACTS: dict[str, Callable[[Store, Claim], object]] = {
    "begin": lambda store, claim: store.clips.begin(claim, work()),
    "record": lambda store, claim: store.clips.record(claim, []),
    "finish": lambda store, claim: store.clips.finish(claim, certificate(1)),
    "fail": lambda store, claim: store.clips.fail(claim, PROBLEM),
    "release": lambda store, claim: store.clips.release(claim),
}


@pytest.mark.parametrize(
    "lost", ["finished", "failed", "cancelled", "released", "claimed anew", "recovered", "deleted"]
)
@pytest.mark.parametrize("act", ACTS)
def test_a_lost_claim_can_do_nothing(store: Store, act: str, lost: str) -> None:
    accepted = store.jobs.submit(job(1)).job
    claim = claimed(store)
    if lost == "finished":
        store.clips.finish(claim, certificate(0))
    elif lost == "failed":
        store.clips.fail(claim, PROBLEM)
    elif lost == "recovered":
        assert store.clips.recover() == 1
    elif lost in ("cancelled", "deleted"):
        cancelled = store.jobs.cancel(accepted.id)
        if lost == "deleted":
            assert cancelled.finished_at is not None
            assert store.retention.delete_jobs(finished_before=cancelled.finished_at.replace(year=2100)) == 1
            store.jobs.submit(job(1))
            again = claimed(store)
            assert (again.clip_id, again.number) == (claim.clip_id, claim.number) or again.clip_id != claim.clip_id
    else:
        store.clips.release(claim)
        if lost == "claimed anew":
            assert claimed(store).number == 2
    before = store.conservation.tally()
    with pytest.raises(ClaimLost):
        ACTS[act](store, claim)
    assert store.conservation.tally() == before
    assert store.conservation.faults() == ()


def test_a_released_clip_comes_back_with_its_votes(store: Store) -> None:
    store.jobs.submit(job(1))
    claim = claimed(store)
    plan = work().plan
    blocks = Certification(plan).wanted()
    assert store.clips.begin(claim, work()) is False
    for start in range(0, 6, 2):
        store.clips.record(claim, [(block, votes_of(plan, block)) for block in blocks[start : start + 2]])
    store.clips.record(claim, [(block, votes_of(plan, block)) for block in blocks[:3]])  # the same again, and one more
    store.clips.release(claim)
    again = claimed(store)
    expected = Begun(work=work(), votes=tuple((block, votes_of(plan, block)) for block in blocks[:6]))
    assert again.begun == expected
    assert again.number == 2
    assert store.clips.begin(again, replace(work(), facts=replace(FACTS, norm=FACTS.norm * 1.01))) is True
    store.clips.release(again)
    assert claimed(store).begun == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"plan": plan_with(seed=8)},
        {"plan": gate_plan()},
        {"generator": "another"},
        {"backend": "another"},
        {"service_version": "0.1.1"},
    ],
)
def test_votes_that_do_not_add_up_are_dropped(store: Store, changes: dict[str, object]) -> None:
    store.jobs.submit(job(1))
    claim = claimed(store)
    [block] = work().plan.blocks(Stage.SELECTION)
    store.clips.begin(claim, work())
    store.clips.record(claim, [(block, votes_of(work().plan, block))])
    assert store.clips.begin(claim, work(**changes)) is False
    store.clips.release(claim)
    assert claimed(store).begun == Begun(work=work(**changes))


def test_recovery_puts_running_clips_back_and_keeps_everything_else(store: Store) -> None:
    accepted = [store.jobs.submit(job(3)).job.id for _ in range(2)]
    claims = [claimed(store) for _ in range(4)]
    store.clips.finish(claims[0], certificate(0))
    store.clips.fail(claims[1], PROBLEM)
    [block] = work().plan.blocks(Stage.SELECTION)
    store.clips.begin(claims[2], work())
    store.clips.record(claims[2], [(block, votes_of(work().plan, block))])
    assert store.clips.recover() == 2
    assert [store.jobs.get(each).clips for each in accepted] == [Counts(done=1, queued=2), Counts(failed=1, queued=2)]
    assert store.jobs.get(accepted[0]).state is State.RUNNING
    assert store.clips.recover() == 0
    begun = [claim.begun for claim in iter(store.clips.claim, None)]
    assert [each is not None and len(each.votes) for each in begun].count(1) == 1
    assert store.conservation.faults() == ()


def test_recovery_leaves_what_is_held_alone(store: Store) -> None:
    accepted = store.jobs.submit(job(3)).job
    held, lost = claimed(store), claimed(store)
    assert store.clips.recover([held]) == 1
    assert claimed(store).clip_id == lost.clip_id
    store.clips.finish(held, certificate(0))
    assert store.jobs.get(accepted.id).clips == Counts(done=1, running=1, queued=1)
    assert store.conservation.faults() == ()


finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None, derandomize=True, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    deviation=finite,
    ratio=finite,
    counts=st.lists(st.integers(0, 2**31), min_size=2, max_size=20),
    name=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
    value=st.one_of(
        finite, st.integers(-(2**53), 2**53), st.text(st.characters(codec="utf-8", exclude_characters="\0"))
    ),
)
def test_what_is_kept_comes_back_exactly(
    store: Store, deviation: float, ratio: float, counts: list[int], name: str, value: object
) -> None:
    accepted = store.jobs.submit(job([clip(0, name=name, overrides={"x": value})], fields={name: value})).job
    claim = claimed(store)
    assert (claim.name, claim.overrides, claim.fields) == (name, {"x": value}, {name: value})
    votes = (Block(Stage.ESTIMATION, 3, 128), Votes(tuple(counts), 5, Geometry(deviation, ratio, 128)))
    store.clips.begin(claim, work())
    store.clips.record(claim, [votes])
    store.clips.release(claim)
    begun = claimed(store).begun
    assert begun is not None
    assert begun.votes == (votes,)
    assert repr(begun.votes) == repr((votes,))
    store.jobs.cancel(accepted.id)


def test_plans_and_facts_come_back_from_their_documents() -> None:
    for plan in (plan_with(), gate_plan(), plan_with(sigma=0.1 + 0.2)):
        assert plan_of(plan_document(plan)) == plan
        assert type(plan_of(plan_document(plan)).contract) is type(plan.contract)
    assert facts_of(facts_document(FACTS)) == FACTS
    with pytest.raises(ValueError, match="sigma"):
        plan_of({key: value for key, value in plan_document(plan_with()).items() if key != "sigma"})


def test_there_is_no_way_back_from_a_settled_state() -> None:
    assert all(source.open for source, _ in EDGES)
    for source in State:
        for target in State:
            if (source, target) not in EDGES:
                with pytest.raises(ValueError, match="no clip goes"):
                    Counts(**{source.value: 1}).moved(source, target)


def test_an_abandoned_claim_of_another_process_cannot_mix_its_votes_in(store: Store) -> None:
    """Two services on one store by mistake: the one that claimed before is told, and its votes are not kept."""
    store.jobs.submit(job(1))
    first = claimed(store)
    store.clips.begin(first, work(generator="of the first"))
    store.clips.recover()
    second = claimed(store)
    store.clips.begin(second, work(generator="of the second"))
    [block] = work().plan.blocks(Stage.SELECTION)
    with pytest.raises(ClaimLost):
        store.clips.record(first, [(block, votes_of(work().plan, block))])
    assert isinstance(store.clips.finish(second, certificate(0)), KeptCertificate)
