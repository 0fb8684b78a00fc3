"""SIGTERM: readiness goes off, what was let in is answered, jobs are handed back, and all that in bounded time."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from tests.api.attack import certificate, problem, wait_for
from tests.api.jobs.asking import ended as job_ended
from tests.api.jobs.asking import events, sound, submit
from tests.conftest import YES, Service, serving
from tests.faults.injecting import certify, ended, readiness, under_way, votes

from soundproof.store.store import Store

MUCH = {"n": "500000"}
MUCH_WATCHED = MUCH | {"sigma": "2", "progress": "true"}
# What ends the process is bounded by DRAIN_S, 3 s for the last answers, and the closing of the store.
AFTERWARDS_S = 6.0


@contextmanager
def terminated(service: Service) -> Iterator[psutil.Process]:
    """Told to end, and still listening."""
    process = psutil.Process(service.pid)
    os.kill(service.pid, signal.SIGTERM)
    with service.client() as client:
        assert wait_for(lambda: readiness(client) == 503)
    yield process


def test_a_request_under_way_is_answered_while_others_are_told_to_come_back(linear: Path, tmp_path: Path) -> None:
    with serving(linear, tmp_path / "log", SOUNDPROOF_DRAIN_S="60") as service:
        with under_way(service) as asked, terminated(service) as process, service.client() as client:
            assert "shutting down" in problem(client.get("/readyz"), 503, "not_ready")["detail"]
            refused = certify(client, seed=1)
            assert int(refused.headers["retry-after"]) > 0
            problem(refused, 503, "engine_stopped")
            assert client.get("/livez").is_success
            assert client.get("/metrics").is_success
            assert not asked.done()
            certificate(asked.result(60))
        assert ended(process, AFTERWARDS_S)
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_request_that_takes_too_long_is_answered_and_not_cut_off_and_a_job_of_the_last_moment_is_kept(
    linear: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with (
        serving(linear, tmp_path / "log", SOUNDPROOF_STORE=url, SOUNDPROOF_DRAIN_S="2") as service,
        under_way(service, **MUCH) as asked,
        terminated(service) as process,
        service.client() as client,
    ):
        job = submit(client)["id"]
        problem(asked.result(2 + AFTERWARDS_S), 503, "engine_stopped")
        assert ended(process, AFTERWARDS_S)
    with Store(url) as store:
        assert store.jobs.get(job).clips.queued == 1


def test_clips_of_jobs_are_handed_back_and_whoever_watches_is_let_go(linear: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    clips = [(f"{number}.wav", sound(number, 16_000)) for number in range(3)]
    watched: list[str] = []
    with serving(linear, tmp_path / "log", SOUNDPROOF_STORE=url, SOUNDPROOF_DRAIN_S="60") as service:
        with service.client() as client:
            job = submit(client, clips, n=4_000, sigma=2)["id"]
        watching = threading.Thread(target=lambda: watched.extend(name for name, *_ in events(service, job)))
        watching.start()
        assert wait_for(lambda: votes(service) > 0)
        process = psutil.Process(service.pid)
        os.kill(service.pid, signal.SIGTERM)
        assert ended(process, AFTERWARDS_S)
        watching.join(AFTERWARDS_S)
        assert "progress" in watched
        assert "end" not in watched
    with Store(url) as store:
        left = store.jobs.get(job)
        assert (left.clips.running, left.clips.open) == (0, left.clips.queued)
        assert left.clips.queued > 0
        assert store.conservation.faults() == ()
    with serving(linear, tmp_path / "log", SOUNDPROOF_STORE=url) as service, service.client() as client:
        assert job_ended(client, job)["clips"]["done"] == len(clips)


def test_told_twice_it_ends_at_once_and_whoever_waits_is_answered(linear: Path, tmp_path: Path) -> None:
    with serving(linear, tmp_path / "log", SOUNDPROOF_DRAIN_S="600") as service:
        process, told = psutil.Process(service.pid), []
        with (
            under_way(service, **MUCH) as asked,
            service.client() as other,
            service.client() as client,
            client.stream("POST", "/certify", files={"audio": YES.read_bytes()}, data=MUCH_WATCHED) as answer,
        ):
            for line in answer.iter_lines():
                told.append(line)
                if line == "event: progress" and told.count(line) == 1:
                    os.kill(service.pid, signal.SIGTERM)
                    # Two signals of a kind that wait at the same time are one.
                    assert wait_for(lambda: readiness(other) == 503)
                    os.kill(service.pid, signal.SIGTERM)
            problem(asked.result(AFTERWARDS_S), 503, "engine_stopped")
        assert "event: problem" in told
        assert any(line.startswith("data: ") and "engine_stopped" in line for line in told)
        assert ended(process, AFTERWARDS_S)
