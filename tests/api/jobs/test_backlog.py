"""What there is too much of: clips that wait, and what is old."""

from pathlib import Path

import pytest
from tests.api.attack import problem
from tests.api.jobs.asking import FEW, ended, results, sound, submit
from tests.conftest import serving
from tests.store.made import certificate, claimed, job

from soundproof.api.clock_steps import ClockSteps
from soundproof.api.housekeeping import Housekeeping
from soundproof.api.keeper import Keeper
from soundproof.errors import UnknownCertificate, UnknownJob
from soundproof.store.store import Store

DAY_S = 86_400.0


def test_of_so_many_clips_that_wait_no_more_are_taken(models: Path, tmp_path: Path) -> None:
    with serving(models, tmp_path / "log", SOUNDPROOF_OPEN_CLIPS="3") as service, service.client() as client:
        many, key = [(f"{i}.wav", sound(i)) for i in range(4)], {"Idempotency-Key": "large"}
        large = submit(client, many, key, n=300_000)  # the first is let in, however large
        full = client.post("/jobs", files=[("audio", ("one.wav", sound(9)))], data=FEW)
        problem(full, 429, "queue_full")
        assert int(full.headers["retry-after"]) > 0
        assert submit(client, many, key, n=300_000)["id"] == large["id"]  # it was accepted before
        client.delete(f"/jobs/{large['id']}").raise_for_status()
        assert ended(client, submit(client, [("one.wav", sound(9))])["id"])["state"] == "done"


def test_a_label_of_a_row_stands_above_the_jobs(models: Path, tmp_path: Path) -> None:
    with serving(models, tmp_path / "log") as service, service.client() as client:
        files = [("audio", (f"{i}.wav", sound(i))) for i in range(2)]
        manifest = "path,label,n\n1.wav,class-2,150\n0.wav,,\n"
        form = FEW | {"label": "class-1", "manifest": manifest}
        job_id = client.post("/jobs", files=files, data=form).raise_for_status().json()["id"]
        ended(client, job_id)
        first, second = results(client, job_id)
        assert (first["clip"], first["label"], first["certificate"]["sampling"]["n"]) == ("1.wav", "class-2", 150)
        assert (second["clip"], second["label"], second["certificate"]["sampling"]["n"]) == ("0.wav", "class-1", 200)


async def test_what_is_old_is_deleted_and_what_a_job_still_shows_is_kept(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    now = 1_000 * DAY_S
    with Store(url, clock=lambda: now - 100 * DAY_S) as store:
        old = store.jobs.submit(job(1)).job.id
        store.clips.finish(claimed(store), certificate(1))
        store.certificates.keep(certificate(2))
    with Store(url, clock=lambda: now - DAY_S) as store:
        new = store.jobs.submit(job(1)).job.id
        store.clips.finish(claimed(store), certificate(3))
    keeper = Keeper(url)
    steps = ClockSteps(wall=lambda: now)
    await Housekeeping(keeper, keep_jobs_days=200, keep_certificates_days=50, steps=steps).tidy()
    store = keeper.store
    assert store.jobs.get(old).clips.done == 1
    assert store.certificates.get(certificate(1).certificate_id)
    with pytest.raises(UnknownCertificate):
        store.certificates.get(certificate(2).certificate_id)
    await Housekeeping(keeper, keep_jobs_days=50, keep_certificates_days=50, steps=steps).tidy()
    with pytest.raises(UnknownJob):
        store.jobs.get(old)
    with pytest.raises(UnknownCertificate):
        store.certificates.get(certificate(1).certificate_id)
    assert store.jobs.get(new).clips.done == 1
    assert store.certificates.get(certificate(3).certificate_id)
    await keeper.close()
