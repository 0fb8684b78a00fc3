"""Clients that break off: it is noticed, and their place is free."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.api.attack import (
    AUDIO,
    GOOD,
    WHOLE,
    certificate,
    chunked,
    connection,
    form,
    head,
    metric,
    part,
    problem,
    upload,
    wait_for,
)
from tests.conftest import YES, Service, serving
from tests.model_folders import RMS_GAIN, random_linear, write_linear

pytestmark = pytest.mark.usefixtures("unharmed")


@pytest.mark.parametrize("sent", [0, 30, 200, len(WHOLE) - 1])
@pytest.mark.parametrize("headers", [{"Content_Length": len(WHOLE)}, {"Transfer_Encoding": "chunked"}])
def test_a_client_that_leaves_mid_upload_is_noticed(service: Service, headers: dict[str, Any], sent: int) -> None:
    gone = metric(service, "soundproof_http_requests_total", route="/certify", status="499")
    with connection(service) as opened:
        body = WHOLE[:sent]
        opened.send(head(**headers), chunked(body) if "Transfer_Encoding" in headers and body else body)
    assert wait_for(
        lambda: metric(service, "soundproof_http_requests_total", route="/certify", status="499") == gone + 1
    )


@pytest.mark.parametrize(
    "behind", [b"", head("GET /livez"), head("GET /livez") * 300], ids=["nothing", "a request", "many requests"]
)
def test_a_client_that_leaves_mid_run_gives_its_place_back(service: Service, behind: bytes) -> None:
    cancelled = metric(service, "soundproof_certifications_total", outcome="cancelled")
    body = form(part("audio", YES.read_bytes(), "yes.wav"), part("model", "speech-commands-12"), part("n", "300000"))
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(connection(service)).send(head(Content_Length=len(body)), body, behind)
        assert wait_for(lambda: metric(service, "soundproof_queue_depth") == 3)
    # So many votes of this model take minutes: the places are free because the clients left.
    assert wait_for(lambda: metric(service, "soundproof_queue_depth") == 0)
    assert metric(service, "soundproof_certifications_total", outcome="cancelled") == cancelled + 3
    certificate(upload(service, GOOD))


@pytest.fixture
def one_place(tmp_path: Path) -> Iterator[Service]:
    """A service that admits one run at a time, of a model so slow that it can be met at work."""
    write_linear(tmp_path / "models" / "slow", *random_linear(16_000, classes=3), gain=RMS_GAIN)
    with serving(tmp_path / "models", tmp_path / "log", SOUNDPROOF_QUEUE_RUNS="1") as running:
        yield running


def test_a_full_queue_says_when_to_come_back_and_has_room_once_the_client_left(one_place: Service) -> None:
    body = form(AUDIO, part("n", "1000000"))
    with connection(one_place) as first:
        first.send(head(Content_Length=len(body)), body)
        assert wait_for(lambda: metric(one_place, "soundproof_queue_depth") == 1)
        answer = upload(one_place, GOOD)
        refused = problem(answer, 429, "queue_full")
        assert 1 <= int(answer.headers["retry-after"]) <= 600
        assert answer.headers["retry-after"] in refused["hint"]
    assert wait_for(lambda: upload(one_place, GOOD).status_code == 200)
