"""Jobs over HTTP: handed in, watched, read, cancelled."""

import time

import pytest
from tests.api.attack import GOOD, metric, problem, upload
from tests.api.jobs.asking import ended, events, results, sound, state, submit
from tests.conftest import Service

BAD = b"RIFF this is no sound"


def test_every_clip_has_the_certificate_that_it_would_have_had_alone(service: Service) -> None:
    clips = [(f"clip-{i}.wav", sound(i)) for i in range(5)]
    with service.client(kept=True) as client:
        job = submit(client, clips, label="class-1")
        assert job["clips"]["total"] == 5
        assert job["samples"]["planned"] == 5 * 300
        assert job["fields"] == {"n": 200, "sigma": 0.01, "label": "class-1"}
        done = ended(client, job["id"])
        assert (done["state"], done["clips"]["done"], done["samples"]["done"]) == ("done", 5, 1500)
        assert done["created_at"] <= done["started_at"] <= done["finished_at"]
        assert (done["eta_s"], done["expected_end"]) == (0.0, done["finished_at"])
        lines = client.get(f"/jobs/{job['id']}/results").content.splitlines()
        for i, (line, result) in enumerate(zip(lines, results(client, job["id"]), strict=True)):
            assert (result["position"], result["clip"], result["state"]) == (i, f"clip-{i}.wav", "done")
            alone = client.post(
                "/certify", files={"audio": sound(i)}, data={"n": "200", "sigma": "0.01", "label": "class-1"}
            )
            assert alone.headers["cached"] == "true"
            assert alone.content in line  # the very bytes
            assert result["audio_sha256"] == result["certificate"]["audio"]["sha256"]


def test_a_bad_clip_fails_alone_and_is_named(service: Service) -> None:
    with service.client() as client:
        job = submit(client, [("good.wav", sound(21)), ("bad.wav", BAD), ("other.wav", sound(22))])
        assert ended(client, job["id"])["clips"] == {
            "total": 3,
            "queued": 0,
            "running": 0,
            "done": 2,
            "failed": 1,
            "cancelled": 0,
        }
        good, bad, other = results(client, job["id"])
        assert (good["state"], bad["state"], other["state"]) == ("done", "failed", "done")
        assert bad["clip"] == "bad.wav"
        assert "certificate" not in bad
        alone = problem(upload(service, BAD), 415, "unsupported_audio")
        assert bad["problem"] == {name: value for name, value in alone.items() if name != "request_id"}


def test_what_a_model_does_not_know_fails_each_clip(service: Service) -> None:
    with service.client() as client:
        job = submit(client, label="nobody")
        assert ended(client, job["id"])["state"] == "failed"
        [result] = results(client, job["id"])
        assert result["problem"]["code"] == "unknown_label"


def test_a_job_is_told_as_it_goes_on_and_again_from_where_one_was(service: Service) -> None:
    clips = [(f"{i}.wav", sound(30 + i)) for i in range(12)]
    with service.client() as client:
        job = submit(client, clips, n=2_000)
        told = events(service, job["id"])
        *_, (last, _, end) = told
        assert (last, end["state"], end["clips"]["done"]) == ("end", "done", 12)
        assert [data for name, _, data in told if name == "clip"] == results(client, job["id"])
        assert [number for name, number, _ in told if name == "clip"] == [str(i) for i in range(12)]
        assert any(name == "progress" for name, _, _ in told)
        again = events(service, job["id"], last=8)
        assert [number for name, number, _ in again if name == "clip"] == ["9", "10", "11"]
        assert again[-1][0] == "end"
        none = events(service, job["id"], last=11)
        assert {name for name, _, _ in none} <= {"progress", "end"}
        bad = client.get(f"/jobs/{job['id']}/events", headers={"Last-Event-ID": "x"})
        problem(bad, 422, "invalid_request")


def test_a_cancelled_job_keeps_what_is_done_and_gives_up_the_rest(service: Service) -> None:
    clips = [("quick.wav", sound(50))] + [(f"{i}.wav", sound(51 + i)) for i in range(4)]
    with service.client() as client:
        job = submit(client, clips, n=300_000)
        while not state(client, job["id"])["samples"]["done"]:
            time.sleep(0.02)
        cancelled = client.delete(f"/jobs/{job['id']}")
        assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
        assert client.delete(f"/jobs/{job['id']}").json() == cancelled.json()
        deadline = time.monotonic() + 30
        while metric(service, "soundproof_queue_depth"):  # its clips leave the workers, too
            assert time.monotonic() < deadline
            time.sleep(0.05)
        found = results(client, job["id"])
        assert {result["state"] for result in found} <= {"done", "cancelled"}
        assert len(found) == 5
        assert all("certificate" not in result for result in found if result["state"] == "cancelled")
        assert events(service, job["id"])[-1][2]["state"] == "cancelled"


def test_a_job_that_has_ended_cannot_be_cancelled(service: Service) -> None:
    with service.client() as client:
        job = ended(client, submit(client)["id"])
        problem(client.delete(f"/jobs/{job['id']}"), 409, "job_finished")


def test_sent_again_under_its_key_it_is_the_same_job(service: Service) -> None:
    headers = {"Idempotency-Key": "release-7"}
    with service.client() as client:
        first = submit(client, headers=headers)
        ended(client, first["id"])
        again = submit(client, headers=headers)
        assert again["id"] == first["id"]
        assert again["state"] == "done"
        assert submit(client)["id"] != first["id"]
        files = [("audio", ("good.wav", GOOD))]
        other = client.post("/jobs", files=files, data={"n": "201", "sigma": "0.01"}, headers=headers)
        problem(other, 409, "idempotency_conflict")


@pytest.mark.parametrize("address", ["", "/results", "/events"])
def test_a_job_that_there_is_not(service: Service, address: str) -> None:
    with service.client() as client:
        problem(client.get(f"/jobs/job_0{address}"), 404, "unknown_job")
        problem(client.delete("/jobs/job_0"), 404, "unknown_job")


def test_jobs_take_turns_and_leave_room_for_requests(service: Service) -> None:
    """A long job does not keep a short one, or a request, waiting for its end."""
    with service.client() as client:
        long = submit(client, [(f"{i}.wav", sound(70 + i)) for i in range(40)], n=20_000)
        short = submit(client, [("short.wav", sound(69))])
        assert upload(service, sound(68)).status_code == 200
        ended(client, short["id"])
        assert state(client, long["id"])["state"] == "running"
        client.delete(f"/jobs/{long['id']}").raise_for_status()


def test_what_was_accepted_is_somewhere_at_every_scrape(service: Service) -> None:
    with service.client() as client:
        job = submit(client, [(f"{i}.wav", sound(120 + i)) for i in range(20)] + [("bad.wav", BAD)])
        while True:
            over = state(client, job["id"])["state"] not in ("queued", "running")
            scraped = client.get("/metrics").text
            assert accepted(scraped) == sum(kept(scraped).values()) > 0
            if over:
                break
        assert kept(scraped)["failed"] >= 1


def accepted(scraped: str) -> float:
    [line] = [line for line in scraped.splitlines() if line.startswith("soundproof_job_clips_accepted ")]
    return float(line.split()[1])


def kept(scraped: str) -> dict[str, float]:
    prefix = 'soundproof_job_clips{state="'
    found = [line.removeprefix(prefix) for line in scraped.splitlines() if line.startswith(prefix)]
    return {line.split('"')[0]: float(line.split()[1]) for line in found}
