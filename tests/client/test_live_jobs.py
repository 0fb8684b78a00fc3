"""Jobs through the client against a live service: from the folder to the results, and over a crash."""

import json
import os
import random
import signal
import struct
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import TINY_SAMPLES, Service, free_port, serving

from soundproof.client import Client, Ended, JobEvent, ProblemError, Settled
from soundproof.client.gate.audio import _wav
from soundproof.client.gate.result import digest_of
from soundproof.job import State

QUICK: dict[str, Any] = {"sigma": 0.002, "n0": 10, "n": 50}
SLOW: dict[str, Any] = {"sigma": 0.002, "n": 200_000}


def noise(seed: int) -> bytes:
    """A clip that the tiny model hears whole."""
    draw = random.Random(seed)  # noqa: S311
    samples = [draw.randint(-12_000, 12_000) for _ in range(TINY_SAMPLES)]
    return _wav(struct.pack(f"<{TINY_SAMPLES}h", *samples), 1, 16, 16_000, 1)


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Three clips that are clips, one that is none, and a manifest of them."""
    folder = tmp_path / "suite"
    (folder / "a").mkdir(parents=True)
    for seed in range(3):
        (folder / "a" / f"{seed}.wav").write_bytes(noise(seed))
    (folder / "broken.wav").write_bytes(noise(3)[:100])
    rows = ["path,label,n", "a/2.wav,class-0,60", "broken.wav,class-1,", "a/0.wav,,", "a/1.wav,class-1,"]
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder


def archived(folder: Path, kind: str) -> Path:
    path = folder.with_suffix(f".{kind}")
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.rglob("*.*")):
                archive.write(file, file.relative_to(folder))
    else:
        with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as archive:
            for file in sorted(folder.rglob("*.*")):
                archive.add(file, file.relative_to(folder))
    return path


@pytest.mark.parametrize("kind", ["folder", "zip", "tar", "tar.gz"])
def test_a_job_goes_from_its_clips_to_its_results(service: Service, suite: Path, kind: str) -> None:
    with Client(service.url) as client:
        job = client.submit(suite if kind == "folder" else archived(suite, kind), **QUICK)
        assert (job.clips.total, job.fields) == (4, QUICK)
        ended = client.wait(job.id, poll_s=0.05)
        assert (ended.state, ended.clips.done, ended.clips.failed) == (State.DONE, 3, 1)
        results = list(client.results(job.id))
        assert [(found.clip, found.label) for found in results] == [
            ("a/2.wav", "class-0"),
            ("broken.wav", "class-1"),
            ("a/0.wav", None),
            ("a/1.wav", "class-1"),
        ]
        assert [found.certificate and found.certificate.sampling.n for found in results] == [60, None, 50, 50]
        problem = results[1].problem
        assert problem is not None
        assert (problem["code"], problem["status"]) == ("malformed_wav", 422)
        for found in results:
            assert found.audio_sha256 == digest_of((suite / found.clip).read_bytes())


def test_results_are_the_certificates_that_are_kept_byte_by_byte(service: Service) -> None:
    with Client(service.url) as client:
        job = client.wait(client.submit([("a.wav", noise(11))], **QUICK).id, poll_s=0.05)
        [result] = client.results(job.id)
        assert result.certificate is not None
        kept = client.certificate(result.certificate.certificate_id)
        assert (kept.certificate, kept.cached) == (result.certificate, True)
        assert kept.body == result.certificate.model_dump_json().encode()
        again = client.answer(noise(11), **QUICK)
        assert (again.body, again.cached) == (kept.body, True)
        assert client.verify(kept.body, noise(11)).result == "passed"


def test_an_answer_says_whether_it_was_drawn_now(service: Service) -> None:
    with Client(service.url) as client:
        first, second = (client.answer(noise(12), **QUICK) for _ in range(2))
    assert (first.cached, second.cached) == (False, True)
    assert first.body == second.body
    with Client(service.url, headers={"Cache-Control": "no-store"}) as client:
        anew = client.answer(noise(12), **QUICK)
    assert not anew.cached
    assert anew.certificate.certificate_id == first.certificate.certificate_id


def test_events_tell_every_clip_once_in_order_and_can_be_gone_on_with(service: Service, suite: Path) -> None:
    with Client(service.url) as client:
        job = client.submit(suite, **QUICK)
        events = list(client.events(job.id))
        settled = [event.result for event in events if isinstance(event, Settled)]
        assert settled == list(client.results(job.id))
        assert [result.position for result in settled] == [0, 1, 2, 3]
        assert events[-1] == Ended(client.job(job.id))
        rest = [event.result for event in client.events(job.id, last_event_id=1) if isinstance(event, Settled)]
        assert rest == settled[2:]


def test_a_key_makes_one_job_however_often_it_is_handed_in(service: Service, suite: Path) -> None:
    with Client(service.url) as client:
        ids = {client.submit(suite, idempotency_key="one", **QUICK).id for _ in range(3)}
        assert len(ids) == 1
        with pytest.raises(ProblemError) as caught:
            client.submit(suite / "manifest.csv", idempotency_key="one")
        assert caught.value.status in (415, 422)
        with pytest.raises(ProblemError) as caught:
            client.submit([("a.wav", noise(1))], idempotency_key="one", **QUICK)
        assert (caught.value.status, caught.value.code) == (409, "idempotency_conflict")


def test_a_job_is_cancelled_once_and_an_ended_one_is_not(service: Service, suite: Path) -> None:
    with Client(service.url) as client:
        job = client.submit([("a.wav", noise(20)), ("b.wav", noise(21))], **SLOW)
        cancelled = client.cancel(job.id)
        assert cancelled.state is State.CANCELLED
        assert client.wait(job.id).clips.cancelled == 2
        assert [result.state for result in client.results(job.id)] == [State.CANCELLED] * 2
        ended = client.wait(client.submit(suite, **QUICK).id, poll_s=0.05)
        with pytest.raises(ProblemError) as caught:
            client.cancel(ended.id)
        assert (caught.value.status, caught.value.code) == (409, "job_finished")


@pytest.mark.parametrize("method", ["job", "cancel", "wait"])
def test_a_job_that_is_not_there_is_told(service: Service, method: str) -> None:
    with Client(service.url) as client, pytest.raises(ProblemError) as caught:
        getattr(client, method)("job_none")
    assert (caught.value.status, caught.value.code) == (404, "unknown_job")


def test_a_manifest_that_is_refused_keeps_nothing(service: Service, suite: Path) -> None:
    with Client(service.url) as client:
        for row in ({"path": "none.wav"}, {"path": "a/0.wav", "n": -1}):
            with pytest.raises(ProblemError, match="line 2") as caught:
                client.submit(suite, manifest=[{"path": "a/1.wav"}, row])
            assert caught.value.status == 422


def test_waiting_and_watching_outlive_a_crash_of_the_service(models: Path, tmp_path: Path) -> None:
    port = free_port()
    store = f"sqlite:///{tmp_path / 'store.db'}"
    clips = [(f"{seed}.wav", noise(seed)) for seed in range(40)]
    crashed = False

    def watched(running: Service, job_id: str) -> list[JobEvent]:
        nonlocal crashed
        seen = []
        with Client(running.url) as client:
            for event in client.events(job_id):
                seen.append(event)
                if isinstance(event, Settled) and not crashed:
                    os.kill(running.pid, signal.SIGKILL)
                    crashed = True
        return seen

    with ThreadPoolExecutor(2) as pool, Client(f"http://127.0.0.1:{port}") as client:
        with serving(models, tmp_path / "first", port=port, SOUNDPROOF_STORE=store) as first:
            job = client.submit(clips, sigma=0.002, n=3000)
            watching = pool.submit(watched, first, job.id)
            waiting = pool.submit(client.wait, job.id, poll_s=0.05)
            first_end = os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)
            assert first_end is not None
            assert first_end.si_status == signal.SIGKILL
        with serving(models, tmp_path / "second", port=port, SOUNDPROOF_STORE=store):
            ended, events = waiting.result(120), watching.result(120)
            results = list(client.results(job.id))
    assert (ended.state, ended.clips.done) == (State.DONE, len(clips))
    assert [event.result for event in events if isinstance(event, Settled)] == results
    assert [result.position for result in results] == list(range(len(clips)))
    assert isinstance(events[-1], Ended)


def test_hundreds_of_clips_are_handed_in(service: Service) -> None:
    """Of one sound, so that the votes are drawn once."""
    made = noise(30)
    with Client(service.url) as client:
        job = client.submit(((f"{i:04}.wav", made) for i in range(300)), **QUICK)
        ended = client.wait(job.id, poll_s=0.2)
        assert (ended.state, ended.clips.done) == (State.DONE, 300)
        assert len({json.dumps(r.certificate and r.certificate.certificate_id) for r in client.results(job.id)}) == 1
