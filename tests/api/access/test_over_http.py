"""A service with keys, as those who hold them and those who do not meet it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.api.access.keys import Made, made, write
from tests.api.attack import AUDIO, FEW, GOOD, certificate, connection, form, head, problem, wait_for
from tests.api.jobs.asking import ended, submit
from tests.conftest import Service, serving

from soundproof.api_keys import Scope

KEYS = {scope: made(f"{scope.value}-key", scope) for scope in Scope}


@pytest.fixture(scope="module")
def closed(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("closed")
    keys = write(folder / "keys.toml", KEYS.values())
    with serving(models, folder / "log", SOUNDPROOF_API_KEYS=str(keys)) as running:
        yield running


def ask(service: Service, key: Made | None, method: str, path: str, **more: object) -> httpx.Response:
    with service.client() as client:
        return client.request(method, path, headers=key.headers if key else {}, **more)  # type: ignore[arg-type]


def upload(service: Service, key: Made | None) -> httpx.Response:
    return ask(service, key, "POST", "/certify", files={"audio": ("a.wav", GOOD)}, data={"n": "200"})


def test_each_key_does_what_it_is_for(closed: Service) -> None:
    issued = certificate(upload(closed, KEYS[Scope.CERTIFY]))
    with closed.client() as client:
        client.headers.update(KEYS[Scope.CERTIFY].headers)
        job_id = submit(client)["id"]
    with closed.client() as client:
        client.headers.update(KEYS[Scope.READ].headers)
        assert ended(client, job_id)["state"] == "done"
        assert client.get(f"/jobs/{job_id}/results").is_success
        assert client.get(f"/jobs/{job_id}/events").is_success
        assert client.get("/models").is_success
        assert client.get("/docs").is_success
        problem(client.get(f"/certificates/{issued['certificate_id']}"), 404, "unknown_certificate")  # asked no-store
        problem(client.delete(f"/jobs/{job_id}"), 403, "forbidden")
    assert "soundproof_ready 1.0" in ask(closed, KEYS[Scope.ADMIN], "GET", "/metrics").text
    assert ask(closed, None, "GET", "/readyz").is_success


def test_a_stranger_is_told_how_to_ask_and_a_key_of_another_scope_which_it_takes(closed: Service) -> None:
    answer = upload(closed, None)
    assert "Authorization: Bearer" in problem(answer, 401, "unauthenticated")["hint"]
    assert answer.headers["www-authenticate"] == "Bearer"
    answer = upload(closed, KEYS[Scope.READ])
    told = problem(answer, 403, "forbidden")
    assert "scope certify" in told["detail"]
    assert "read" in told["hint"]
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="certify"'
    problem(ask(closed, KEYS[Scope.READ], "GET", "/nowhere"), 403, "forbidden")


@pytest.mark.parametrize("line", ["POST /certify", "POST /jobs", "POST /verify", "PUT /nowhere"])
def test_a_stranger_is_answered_before_the_body_is_sent_and_the_connection_ends(closed: Service, line: str) -> None:
    with connection(closed) as opened:
        opened.send(head(line, Content_Length=5_000_000))
        problem(opened.answer(), 401, "unauthenticated")
        assert opened.is_closed()


def test_a_stranger_who_asks_whether_to_go_on_is_not_told_to(closed: Service) -> None:
    with connection(closed) as opened:
        opened.send(head(Content_Length=5_000_000, Expect="100-continue"))
        problem(opened.answer(), 401, "unauthenticated")
        assert opened.is_closed()


def test_a_strangers_whole_request_leaves_the_connection_to_the_next(closed: Service) -> None:
    body = form(AUDIO, FEW)
    key = {"Authorization": f"Bearer {KEYS[Scope.CERTIFY].secret}"}
    with connection(closed) as opened:
        opened.send(head("GET /models", Content_Type="text/plain"))
        problem(opened.answer(), 401, "unauthenticated")
        opened.send(head(Content_Length=len(body), **key), body)
        assert opened.answer().status_code == 200


def test_no_key_is_in_the_log_or_in_an_answer(closed: Service) -> None:
    wrong = made("wrong", Scope.CERTIFY)
    for key in (*KEYS.values(), wrong):
        answer = upload(closed, key)
        assert key.secret not in answer.text + str(answer.headers)
        assert key.entry.sha256 not in answer.text
    last = upload(closed, wrong).headers["x-request-id"]
    assert wait_for(lambda: last in closed.log.read_text())
    log = closed.log.read_text()
    assert KEYS[Scope.CERTIFY].entry.name in log
    for key in (*KEYS.values(), wrong):
        assert key.secret not in log
        assert key.entry.sha256 not in log
