"""The disk is full: certification goes on, nothing is half written, and it is over when it is over."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.api.attack import GOOD, certificate, metric, problem, wait_for
from tests.api.jobs.asking import FEW, ended, results, state, submit
from tests.conftest import Service, serving
from tests.faults.injecting import certify, filled, readiness, small_disk

from soundproof.store.store import Store

LARGE = 3 << 20  # more than an upload may have in memory while it is read


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with small_disk(tmp_path_factory.mktemp("disk") / "small", 12) as folder:
        yield folder


@pytest.fixture(scope="module")
def service(linear: Path, disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Its store and its temporary files are on the small disk."""
    log, url = tmp_path_factory.mktemp("service") / "log", f"sqlite:///{disk / 'store.db'}"
    with serving(linear, log, SOUNDPROOF_STORE=url, TMPDIR=str(disk)) as running:
        yield running
    with Store(url) as store:
        assert store.conservation.faults() == ()
        assert store.conservation.tally().conserved
    assert "Traceback" not in log.read_text()


def test_with_a_full_disk_certificates_are_answered_unkept_and_jobs_wait(service: Service, disk: Path) -> None:
    with service.client(kept=True) as client:
        before = certificate(certify(client, seed=1))["certificate_id"]
        job = submit(client, [(f"{number}.wav", GOOD) for number in range(3)], n=4_000, sigma=2)["id"]
        assert wait_for(lambda: state(client, job)["clips"]["running"] > 0)
        with filled(disk):
            assert wait_for(lambda: readiness(client) == 503)
            assert "full" in client.get("/readyz").json()["detail"]
            assert metric(service, "soundproof_store_up") == 0
            assert certificate(certify(client, seed=1))["certificate_id"] == before
            certificate(certify(client, seed=2))
            refused(client)
            assert state(client, job)["state"] == "running"
        assert wait_for(lambda: readiness(client) == 200)
        assert metric(service, "soundproof_store_up") == 1
        assert ended(client, job)["clips"]["done"] == 3
        assert len(results(client, job)) == 3
        assert ended(client, submit(client)["id"])["clips"]["done"] == 1


def refused(client: httpx.Client) -> None:
    answer = client.post("/jobs", files={"audio": ("a.wav", GOOD)}, data=FEW)
    problem(answer, 503, "store_unavailable")


def test_an_upload_for_which_the_disk_has_no_room_is_refused_as_such(service: Service, disk: Path) -> None:
    with service.client() as client:
        with filled(disk):
            for path in ("/certify", "/certify/sweep", "/verify", "/jobs"):
                answer = client.post(path, files={"audio": ("a.wav", bytes(LARGE))}, data=FEW)
                assert "room" in problem(answer, 503, "store_unavailable")["detail"], path
        problem(certify(client, bytes(LARGE)), 415, "unsupported_audio")
