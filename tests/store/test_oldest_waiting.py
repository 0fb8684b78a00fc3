"""How long the first of the clips that wait has waited, by the store's clock."""

from pathlib import Path

from tests.store.made import certificate, claimed, job

from soundproof.store.store import Store


def test_it_is_the_age_of_the_oldest_job_with_a_clip_that_waits_and_nothing_where_none_does(tmp_path: Path) -> None:
    now = [1_000.0]
    with Store(f"sqlite:///{tmp_path / 'store.db'}", clock=lambda: now[0]) as store:

        def waited() -> float:
            return store.conservation.tally().oldest_waiting_s

        assert waited() == 0
        store.jobs.submit(job(2))
        now[0] += 60
        store.jobs.submit(job(1))
        assert waited() == 60
        first, second = claimed(store), claimed(store)
        assert waited() == 60  # jobs take turns: the second job's only clip is at work, one of the first job's waits
        third = claimed(store)
        assert waited() == 0
        store.clips.release(third)
        now[0] += 5
        assert waited() == 65
        store.clips.finish(claimed(store), certificate(1))
        for claim in (first, second):
            store.clips.finish(claim, certificate(1))
        assert waited() == 0
        store.jobs.submit(job(1))
        now[0] -= 1_000_000
        assert waited() == 0  # the clock was set back
