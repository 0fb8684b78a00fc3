"""The run against a service that is busy, gone, exchanged or strict: by a fake transport, without waiting."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.client.made import CURVE, DIGEST, GATE, certificate, tone

from soundproof.client import AsyncClient, Patience, ProblemError
from soundproof.client.gate.faults import ServiceFault, SuiteFault
from soundproof.client.gate.journal import Journal
from soundproof.client.gate.question import Question
from soundproof.client.gate.result import Result, Standing, digest_of
from soundproof.client.gate.run import Run
from soundproof.client.gate.suite import Clip

Answer = Callable[[int, str], httpx.Response]


def clips(root: Path, count: int) -> tuple[Clip, ...]:
    for i in range(count):
        (root / f"{i}.wav").write_bytes(tone(100.0 + i, seconds=0.01))
    return tuple(Clip(f"{i}.wav", root / f"{i}.wav", "yes") for i in range(count))


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "detail": "No.", "hint": ""}, headers=headers)


def good(audio_sha256: str) -> httpx.Response:
    return httpx.Response(200, json=certificate(sound=audio_sha256))


class Fake:
    """A service: `answer` is given the number of the request and the digest of its audio. Waits are noted, not made.

    It answers nobody before `together` requests were there at once.
    """

    def __init__(self, answer: Answer, together: int = 1) -> None:
        self._answer = answer
        self._together = together
        self._gathered = asyncio.Event()
        self.requests: list[str] = []
        self.bodies: list[bytes] = []
        self.waits: list[float] = []
        self.at_once = self.most_at_once = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        start = body.index(b"RIFF")
        digest = digest_of(body[start : body.rindex(b"\r\n--")])
        self.requests.append(digest)
        self.bodies.append(body)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        if self.at_once >= self._together:
            self._gathered.set()
        async with asyncio.timeout(30):
            await self._gathered.wait()
        await asyncio.sleep(0)
        self.at_once -= 1
        return self._answer(len(self.requests), digest)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)

    async def run(self, asked: tuple[Clip, ...], question: Question = GATE, **more: Any) -> list[Result]:
        patience = Patience(sleep=self.sleep, chance=lambda: 0.5, total_s=more.pop("total_s", 60.0))
        journal = more.pop("journal", None) or Journal(None, question)
        async with AsyncClient("http://fake", httpx.MockTransport(self)) as client:
            return await Run(client, question, journal, patience=patience, **more).of(asked)


async def test_every_clip_is_asked_once_in_order_and_no_more_at_a_time_than_allowed(tmp_path: Path) -> None:
    fake = Fake(lambda _, digest: good(digest), together=3)
    asked = clips(tmp_path, 25)
    results = await fake.run(asked, parallel=3)
    assert [result.clip for result in results] == [clip.name for clip in asked]
    assert len(fake.requests) == 25
    assert fake.most_at_once == 3


async def test_the_same_sound_is_asked_once_and_stands_for_both_names(tmp_path: Path) -> None:
    fake = Fake(lambda _, digest: good(digest))
    [one] = clips(tmp_path, 1)
    first, second = await fake.run((one, Clip("copy.wav", one.path, "yes")))
    assert len(fake.requests) == 1
    assert (first.clip, second.clip) == ("0.wav", "copy.wav")
    assert first.certificate == second.certificate


async def test_what_is_asked_of_the_suite_and_of_a_clip_is_sent(tmp_path: Path) -> None:
    fake = Fake(lambda _, digest: good(digest))
    [one] = clips(tmp_path, 1)
    await fake.run((Clip(one.name, one.path, "yes", fields={"sigma": 0.5, "n": 300}),))
    [body] = fake.bodies
    for name, value in (
        ("target_snr_db", "70.0"),
        ("sigma", "0.5"),
        ("n", "300"),
        ("label", "yes"),
        ("alpha", "0.001"),
    ):
        assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in body
    await fake.run((one,), CURVE)
    assert b"target_snr_db" not in fake.bodies[-1]


@pytest.mark.parametrize(("status", "code"), [(429, "queue_full"), (503, "not_ready"), (502, "http_error")])
async def test_what_passes_is_asked_again_with_waits_that_double(tmp_path: Path, status: int, code: str) -> None:
    fake = Fake(lambda i, digest: problem(status, code) if i <= 4 else good(digest))
    [result] = await fake.run(clips(tmp_path, 1))
    assert result.certificate is not None
    assert fake.waits == [0.5 * 1.25, 1 * 1.25, 2 * 1.25, 4 * 1.25]  # half the back-off, by chance a half of it


async def test_a_retry_after_is_waited_out_in_full(tmp_path: Path) -> None:
    fake = Fake(lambda i, digest: problem(429, "queue_full", **{"Retry-After": "17"}) if i == 1 else good(digest))
    await fake.run(clips(tmp_path, 1))
    assert fake.waits == [17 + 0.125]


async def test_a_retry_after_may_be_a_date(tmp_path: Path) -> None:
    def answer(i: int, digest: str) -> httpx.Response:
        date = formatdate(time.time() + 20, usegmt=True)
        return problem(503, "not_ready", **{"Retry-After": date}) if i == 1 else good(digest)

    fake = Fake(answer)
    await fake.run(clips(tmp_path, 1))
    assert 18 < fake.waits[0] < 21


async def test_a_lost_connection_is_tried_again(tmp_path: Path) -> None:
    def answer(i: int, digest: str) -> httpx.Response:
        if i == 1:
            raise httpx.ConnectError("refused")
        if i == 2:
            raise httpx.ReadError("reset")
        return good(digest)

    [result] = await Fake(answer).run(clips(tmp_path, 1))
    assert result.standing(GATE) is Standing.HELD


async def test_patience_ends_and_what_was_answered_is_kept(tmp_path: Path) -> None:
    asked = clips(tmp_path, 6)
    fake = Fake(lambda i, digest: good(digest) if i <= 4 else problem(429, "queue_full", **{"Retry-After": "50"}))
    journal = Journal.opened(tmp_path / "run.jsonl", GATE)
    with pytest.raises(ServiceFault, match=r"429 queue_full.*Given up after 50 s"):
        await fake.run(asked, journal=journal, parallel=1)
    assert len((tmp_path / "run.jsonl").read_text().splitlines()) == 1 + 4
    again = Fake(lambda _, digest: good(digest))
    results = await again.run(asked, journal=Journal.opened(tmp_path / "run.jsonl", GATE))
    assert len(results) == 6
    assert len(again.requests) == 2


async def test_one_wait_beyond_patience_is_not_begun(tmp_path: Path) -> None:
    fake = Fake(lambda _i, _digest: problem(503, "not_ready", **{"Retry-After": "3600"}))
    with pytest.raises(ServiceFault, match="waiting 3600 s more"):
        await fake.run(clips(tmp_path, 1))
    assert fake.waits == []


@pytest.mark.parametrize(
    ("status", "code"),
    [(422, "malformed_wav"), (415, "unsupported_audio"), (413, "audio_too_long"), (413, "http_error")],
)
async def test_a_clip_that_is_refused_fails_alone(tmp_path: Path, status: int, code: str) -> None:
    asked = clips(tmp_path, 4)
    bad = digest_of(asked[1].path.read_bytes())
    fake = Fake(lambda _, digest: problem(status, code) if digest == bad else good(digest))
    results = await fake.run(asked)
    assert [result.standing(GATE) for result in results].count(Standing.HELD) == 3
    assert results[1].standing(GATE) is Standing.REFUSED
    assert results[1].problem is not None
    assert results[1].problem.code == code


async def test_a_file_that_cannot_be_read_fails_alone(tmp_path: Path) -> None:
    asked = clips(tmp_path, 2)
    asked[0].path.unlink()
    results = await Fake(lambda _, digest: good(digest)).run(asked)
    assert [result.standing(GATE) for result in results] == [Standing.REFUSED, Standing.HELD]


@pytest.mark.parametrize(
    ("status", "code"), [(500, "internal_error"), (503, "model_refused"), (403, "http_error"), (404, "http_error")]
)
async def test_a_service_that_fails_ends_the_run_at_once(tmp_path: Path, status: int, code: str) -> None:
    fake = Fake(lambda _i, _digest: problem(status, code))
    with pytest.raises(ServiceFault, match=f"{status}"):
        await fake.run(clips(tmp_path, 1))
    assert fake.waits == []


@pytest.mark.parametrize("code", ["invalid_request", "invalid_plan", "unknown_model"])
async def test_a_question_that_is_refused_ends_the_run_at_once(tmp_path: Path, code: str) -> None:
    fake = Fake(lambda _i, _digest: problem(404 if code == "unknown_model" else 422, code))
    with pytest.raises(SuiteFault, match=code):
        await fake.run(clips(tmp_path, 30), parallel=1)
    assert len(fake.requests) == 1


async def test_a_gate_that_no_clip_can_pass_is_a_wrong_question(tmp_path: Path) -> None:
    with pytest.raises(SuiteFault, match="No clip can pass"):
        await Fake(lambda _i, _digest: problem(422, "impossible_plan")).run(clips(tmp_path, 3))


async def test_a_radius_out_of_reach_is_said_after_the_first_answer(tmp_path: Path) -> None:
    fake = Fake(lambda _, digest: httpx.Response(200, json=certificate(sound=digest, gate=False, floor=71.0, snr=72.0)))
    with pytest.raises(SuiteFault, match=r"unanimous votes reach 70 dB.*--n of at least \d+ or a larger --sigma"):
        await fake.run(clips(tmp_path, 9), CURVE, parallel=1)
    assert len(fake.requests) == 1


async def test_a_model_that_is_exchanged_ends_the_run(tmp_path: Path) -> None:
    def answer(i: int, digest: str) -> httpx.Response:
        made = certificate(sound=digest)
        if i > 1:
            made["model"]["digest"] = "f" * 64
        return httpx.Response(200, json=made)

    with pytest.raises(ServiceFault, match=f"exchanged .* {DIGEST[:12]}"):
        await Fake(answer).run(clips(tmp_path, 3), parallel=1)


async def test_an_answer_that_is_no_certificate_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(ServiceFault, match="cannot be read"):
        await Fake(lambda _i, _digest: httpx.Response(200, json={"hello": 1})).run(clips(tmp_path, 1))


async def test_every_clip_is_watched_once_and_told_apart_from_known_ones(tmp_path: Path) -> None:
    seen: Counter[bool] = Counter()
    journal = Journal(None, GATE)
    asked = clips(tmp_path, 5)
    fake = Fake(lambda _, digest: good(digest))
    for _ in range(2):
        await fake.run(asked, journal=journal, watch=lambda _result, known: seen.update([known]))
    assert seen == {False: 5, True: 5}


async def test_the_client_tells_when_to_come_back() -> None:
    async def busy(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(503, text="busy", headers={"Retry-After": "soon"})

    async with AsyncClient("http://fake", httpx.MockTransport(busy)) as client:
        with pytest.raises(ProblemError) as caught:
            await client.models()
    assert (caught.value.code, caught.value.retry_after_s) == ("http_error", None)
