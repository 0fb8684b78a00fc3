"""Requests about jobs, as tests send them."""

import json
import time
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np
from tests.api.attack import GOOD
from tests.audio.wav_bytes import encode_pcm16
from tests.conftest import TINY_SAMPLES, Service

FEW = {"n": "200", "sigma": "0.01"}


def sound(number: int, samples: int = TINY_SAMPLES) -> bytes:
    """A clip of noise, for each number another."""
    noise = 0.1 * np.random.default_rng([11, number]).standard_normal((1, samples))
    return encode_pcm16(noise.astype(np.float32), 16_000)


def submit(
    client: httpx.Client, clips: Sequence[tuple[str, bytes]] = (("good.wav", GOOD),), headers: Any = None, **fields: Any
) -> dict[str, Any]:
    """Hand in a job; few votes a clip unless `fields` say otherwise."""
    files = [("audio", (name, clip, "audio/wav")) for name, clip in clips]
    form = FEW | {name: str(value) for name, value in fields.items()}
    answer = client.post("/jobs", files=files, data=form, headers=headers)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    return job


def state(client: httpx.Client, job_id: str) -> dict[str, Any]:
    """The job, whose clips add up."""
    job: dict[str, Any] = client.get(f"/jobs/{job_id}").raise_for_status().json()
    clips = dict(job["clips"])
    assert clips.pop("total") == sum(clips.values())
    return job


def ended(client: httpx.Client, job_id: str, limit_s: float = 120) -> dict[str, Any]:
    """The job, once it has ended."""
    deadline = time.monotonic() + limit_s
    while (job := state(client, job_id))["state"] in ("queued", "running"):
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
    return job


def results(client: httpx.Client, job_id: str) -> list[dict[str, Any]]:
    answer = client.get(f"/jobs/{job_id}/results").raise_for_status()
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def events(service: Service, job_id: str, last: int | None = None) -> list[tuple[str, str | None, dict[str, Any]]]:
    """(name, id, data) of every event to the end of the stream."""
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    with service.client() as client:
        text = client.get(f"/jobs/{job_id}/events", headers=headers).raise_for_status().text
    found = []
    for event in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in event.splitlines() if not line.startswith(":"))
        if lines:
            found.append((lines["event"], lines.get("id"), json.loads(lines["data"])))
    return found
