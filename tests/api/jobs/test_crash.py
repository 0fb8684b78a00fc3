"""kill -9 of the API process at any moment: no accepted job is lost, and its certificates are the same."""

import os
import random
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.api.attack import metric
from tests.api.jobs.asking import ended, results, sound, state, submit
from tests.conftest import Service, serving
from tests.model_folders import RMS_GAIN, random_linear, write_linear

from soundproof.smoothing.plan import BLOCK_SAMPLES
from soundproof.store.store import Store

CLIPS, N = 6, 3_000
SAMPLES = 4_000
# Clips at a time, on one device; messages ahead of each worker; and the blocks of a message, at most.
PLACES, DEPTH, BLOCKS = 3, 2, 2
KILLS = 3
FIELDS: dict[str, Any] = {"n": N, "sigma": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_linear(folder / "linear", *random_linear(SAMPLES, classes=3), gain=RMS_GAIN)
    return folder


def clips() -> list[tuple[str, bytes]]:
    return [(f"{i}.wav", sound(i, SAMPLES)) for i in range(CLIPS)]


@pytest.fixture(scope="module")
def undisturbed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    with serving(folder, tmp_path_factory.mktemp("undisturbed") / "log") as service, service.client() as client:
        job = submit(client, clips(), **FIELDS)
        ended(client, job["id"])
        return [timeless(result) for result in results(client, job["id"])]


def timeless(result: dict[str, Any]) -> dict[str, Any]:
    """Without what says when, and how quickly, it was computed."""
    left_out = ("created_at", "compute")
    return result | {"certificate": {k: v for k, v in result["certificate"].items() if k not in left_out}}


def kill(service: Service) -> None:
    """The process, and nobody it could tell; its workers end by themselves when they find it gone."""
    process = psutil.Process(service.pid)
    workers = process.children(recursive=True)
    os.kill(service.pid, signal.SIGKILL)
    process.wait(10)
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive, "workers outlive the service"


def test_killed_again_and_again_it_ends_with_the_same_certificates(
    folder: Path, tmp_path: Path, undisturbed: list[dict[str, Any]], store: str
) -> None:
    chance = random.Random(1)  # noqa: S311
    planned = CLIPS * (N + 100)
    job_id = ""
    for kills in range(KILLS + 1):
        kept = kept_samples(store, job_id) if job_id else 0
        one = serving(folder, tmp_path / "log", SOUNDPROOF_STORE=store, SOUNDPROOF_CORES="1")
        with one as service, service.client() as client:
            if not job_id:
                job_id = submit(client, clips(), **FIELDS)["id"]
            if kills < KILLS:
                goal = kept + chance.random() * (planned - kept) / (KILLS - kills + 1)
                while state(client, job_id)["samples"]["done"] < goal:
                    pass
                kill(service)
                continue
            assert ended(client, job_id)["state"] == "done"
            assert [timeless(result) for result in results(client, job_id)] == undisturbed
            drawn = sum(
                metric(service, "soundproof_noise_samples_total", stage=stage) for stage in ("selection", "estimation")
            )
            # Again at most what was on its way when it was killed, and what a worker was given to begin with.
            assert drawn <= planned - kept + 2 * PLACES * DEPTH * BLOCKS * BLOCK_SAMPLES
    with Store(store) as opened:
        assert opened.conservation.faults() == ()


def kept_samples(store: str, job_id: str) -> int:
    with Store(store) as opened:
        return opened.jobs.get(job_id).samples_done


def test_killed_right_after_it_accepted_a_job_it_has_it(
    folder: Path, tmp_path: Path, undisturbed: list[dict[str, Any]], store: str
) -> None:
    with serving(folder, tmp_path / "log", SOUNDPROOF_STORE=store) as service:
        with service.client() as client:
            job = submit(client, clips(), **FIELDS)
        kill(service)
    with serving(folder, tmp_path / "log", SOUNDPROOF_STORE=store) as service, service.client() as client:
        assert ended(client, job["id"])["clips"]["done"] == CLIPS
        assert [timeless(result) for result in results(client, job["id"])] == undisturbed


def test_ended_in_good_order_it_hands_its_clips_back(folder: Path, tmp_path: Path, store: str) -> None:
    with serving(folder, tmp_path / "log", SOUNDPROOF_STORE=store) as service, service.client() as client:
        job = submit(client, clips(), **FIELDS | {"n": 200_000})
        while not state(client, job["id"])["samples"]["done"]:
            pass
    with Store(store) as opened:  # as it was left, before any service recovers it
        left = opened.jobs.get(job["id"])
        assert (left.clips.running, left.clips.queued) == (0, CLIPS)
        assert left.samples_done > 0
        assert opened.conservation.faults() == ()
