"""Results: in upload order, page by page."""

from tests.store.made import PROBLEM, certificate, job

from soundproof.store.states import State
from soundproof.store.store import Store


def test_results_are_in_upload_order_however_clips_were_finished(store: Store) -> None:
    accepted = store.jobs.submit(job(5)).job
    claims = list(iter(store.clips.claim, None))
    assert store.results.page(accepted.id) == ()
    for claim in (claims[3], claims[0]):
        store.clips.finish(claim, certificate(claim.position))
    store.clips.fail(claims[2], PROBLEM)
    found = store.results.page(accepted.id)
    assert [(result.position, result.state) for result in found] == [
        (0, State.DONE),
        (2, State.FAILED),
        (3, State.DONE),
    ]
    assert found[0].certificate == certificate(0).body
    assert (found[1].certificate, found[1].problem) == (None, PROBLEM)
    assert (found[0].name, found[0].label) == ("clip-0.wav", "yes")


def test_pages_follow_each_other_without_gaps(store: Store) -> None:
    many = 24
    accepted = store.jobs.submit(job(many)).job
    store.jobs.cancel(accepted.id)
    positions = []
    page = store.results.page(accepted.id, most=7)
    while page:
        positions += [result.position for result in page]
        page = store.results.page(accepted.id, after=page[-1].position, most=7)
    assert positions == list(range(many))
    assert [result.position for result in store.results.each(accepted.id, page_clips=5)] == positions


def test_a_stream_of_results_holds_up_nobody(store: Store) -> None:
    accepted = store.jobs.submit(job(12)).job
    last = list(iter(store.clips.claim, None))
    for claim in last[:-2]:
        store.clips.finish(claim, certificate(claim.position))
    stream = store.results.each(accepted.id, page_clips=4)
    assert next(stream).position == 0
    for claim in last[-2:]:
        store.clips.finish(claim, certificate(claim.position))
    assert [result.position for result in stream] == list(range(1, 12))
