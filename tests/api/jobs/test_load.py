"""Many clips and many requests at once: none lost, none wrong, and the process no larger (tests/bench/load.py)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
from tests.api.attack import certificate, upload
from tests.api.jobs.asking import ended, results, sound, submit
from tests.conftest import Service

CLIPS, AT_ONCE = 300, 50
MOST_RSS_BYTES = 300 << 20


def test_a_job_of_many_clips_runs_through_in_flat_memory(service: Service) -> None:
    process = psutil.Process(service.pid)
    with service.client() as client:
        clips = [(f"{i}.wav", sound(1000 + i)) for i in range(CLIPS)]
        first = ended(client, submit(client, clips[: CLIPS // 2], n=100)["id"])
        before = process.memory_info().rss
        job = ended(client, submit(client, clips, n=100)["id"])
        assert first["clips"]["done"] == CLIPS // 2
        assert job["clips"]["done"] == CLIPS
        assert [result["clip"] for result in results(client, job["id"])] == [name for name, _ in clips]
        assert process.memory_info().rss < min(MOST_RSS_BYTES, before + (32 << 20))


def test_many_requests_at_once_are_each_answered_with_their_own_certificate(service: Service) -> None:
    sounds = [sound(2000 + i) for i in range(AT_ONCE)]

    def ask(clip: bytes) -> dict[str, Any]:
        return certificate(upload(service, clip, n=500))

    with ThreadPoolExecutor(AT_ONCE) as threads:
        together = list(threads.map(ask, sounds))
    alone = [ask(clip) for clip in sounds]
    assert [each["certificate_id"] for each in together] == [each["certificate_id"] for each in alone]
    assert len({each["audio"]["sha256"] for each in together}) == AT_ONCE
