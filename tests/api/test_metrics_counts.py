"""What a scrape of a live service says is exactly what was asked of it."""

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.api.attack import AUDIO, GOOD, connection, form, head, metric, part, problem, upload, wait_for
from tests.api.jobs.asking import ended, sound, submit
from tests.conftest import Service, serving
from tests.model_folders import RMS_GAIN, random_linear, write_linear

QUIET = (
    "soundproof_queue_depth",
    "soundproof_queue_waiting",
    "soundproof_queue_oldest_seconds",
    "soundproof_worker_heartbeat_age_seconds",
)


@pytest.fixture(scope="module")
def fresh(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that nobody has asked for anything."""
    with serving(models, tmp_path_factory.mktemp("fresh") / "log") as running:
        yield running


def count(service: Service, stage: str) -> float:
    return metric(service, f"soundproof_certification_{stage}_seconds_count")


def test_every_count_is_that_of_what_was_asked(fresh: Service) -> None:
    answers = [upload(fresh, GOOD, n=300, seed=seed).raise_for_status().json() for seed in range(4)]
    answers += [upload(fresh, GOOD, n=300, sigma=50.0).raise_for_status().json()]
    for _ in range(2):
        problem(upload(fresh, b"RIFF"), 422, "malformed_wav")
    problem(upload(fresh, GOOD, model="nobodys"), 404, "unknown_model")
    with fresh.client(kept=True) as client:
        files, data = {"audio": GOOD}, {"n": "300", "sigma": "0.01"}
        for _ in range(3):  # drawn once, then answered from the store
            client.post("/certify", files=files, data=data).raise_for_status()
        job = ended(client, submit(client, [(f"{number}.wav", sound(number)) for number in range(3)], n=300)["id"])
    outcomes = [answer["outcome"] for answer in answers]
    assert outcomes == ["certified"] * 4 + ["abstained"]
    assert job["state"] == "done"

    certified = {"model": "a-tiny", "contract": "waveform", "outcome": "certified"}
    assert metric(fresh, "soundproof_certifications_total", **certified) == 4 + 3 + 3
    assert metric(fresh, "soundproof_certifications_total", **certified | {"outcome": "abstained"}) == 1
    assert metric(fresh, "soundproof_certifications_total", **certified | {"outcome": "refused"}) == 2
    assert metric(fresh, "soundproof_certifications_total", model="(unknown)", outcome="refused") == 1
    assert metric(fresh, "soundproof_certifications_total") == 14
    assert metric(fresh, "soundproof_snr_cert_db_count", model="a-tiny") == 10
    told = [answer["snr_cert_db"] for answer in answers if answer["snr_cert_db"] is not None]
    assert all(50 < snr_cert_db <= 70 for snr_cert_db in told)
    below = [metric(fresh, "soundproof_snr_cert_db_bucket", le=str(edge)) for edge in (50.0, 70.0)]
    assert below == [0, 10]
    assert metric(fresh, "soundproof_problems_total", code="malformed_wav") == 2
    assert metric(fresh, "soundproof_problems_total", code="unknown_model") == 1
    assert metric(fresh, "soundproof_cache_hits_total") == 2
    drawn = 5 + 1 + 3
    for stage in ("queue", "prepare", "sampling", "run"):
        assert count(fresh, stage) == drawn
    assert count(fresh, "store") == 1 + 3
    votes = {"model": "a-tiny", "contract": "waveform", "stage": "estimation"}
    assert metric(fresh, "soundproof_noise_samples_total", **votes) == 300 * drawn
    assert metric(fresh, "soundproof_job_clips", state="done") == metric(fresh, "soundproof_job_clips_accepted") == 3
    assert metric(fresh, "soundproof_jobs", state="done") == 1
    assert metric(fresh, "soundproof_worker_up", device="cpu") == 1
    assert metric(fresh, "soundproof_store_up") == 1
    blocks, room = (metric(fresh, f"soundproof_worker_blocks{kind}_total") for kind in ("", "_room"))
    assert 0 < blocks <= room
    assert metric(fresh, "soundproof_worker_busy_seconds_total", device="cpu") > 0


def test_a_problem_that_a_stream_ends_with_counts_as_well(fresh: Service) -> None:
    before = metric(fresh, "soundproof_problems_total", code="impossible_plan")
    answer = upload(fresh, GOOD, n=3, progress=True)
    assert answer.is_success
    assert "impossible_plan" in answer.text
    assert metric(fresh, "soundproof_problems_total", code="impossible_plan") == before + 1


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Service]:
    """On one core, with a model that can be met at work."""
    write_linear(tmp_path / "models" / "slow", *random_linear(16_000, classes=3), gain=RMS_GAIN)
    with serving(tmp_path / "models", tmp_path / "log", SOUNDPROOF_CORES="1") as running:
        yield running


def test_gauges_return_to_zero_after_clients_left_and_their_worker_was_stopped(slow: Service) -> None:
    [worker] = psutil.Process(slow.pid).children()
    body = form(AUDIO, part("n", "300000"))
    worker.send_signal(signal.SIGSTOP)
    with connection(slow) as first, connection(slow) as second, connection(slow) as third:
        for opened in (first, second, third):
            opened.send(head(Content_Length=len(body)), body)
        assert wait_for(lambda: metric(slow, "soundproof_queue_depth") == 3)
        # The first was given the two messages that a worker is sent ahead; the others wait.
        assert wait_for(lambda: metric(slow, "soundproof_queue_waiting") == 2)
        assert metric(slow, "soundproof_queue_oldest_seconds") > 0
        assert metric(slow, "soundproof_worker_heartbeat_age_seconds", device="cpu") > 0
    assert wait_for(lambda: all(metric(slow, name) == 0 for name in QUIET))
    worker.send_signal(signal.SIGCONT)
    assert metric(slow, "soundproof_certifications_total", outcome="cancelled") == 3
    assert upload(slow, GOOD).is_success
    assert metric(slow, "soundproof_certifications_total") == 4
    assert all(metric(slow, name) == 0 for name in QUIET)
