"""What the log of a running service has in it, whatever was sent."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.api.attack import AUDIO, GOOD, Connection, connection, form, head, metric, part, upload, wait_for
from tests.api.jobs.asking import ended, submit
from tests.conftest import ROOT, Service, serving

from soundproof.api.headers import ALWAYS
from soundproof.api_keys import ApiKey, Scope, new_secret, sha256_of

# Would be seen as a line of its own, cleared the screen, and gave away what it should not.
SECRET = "sp_c0ffee-hush-hush"  # noqa: S105  (nobody's)
FORGED = f"x\r\n2026-01-01 INFO forged\x1b[2J {SECRET}"


@pytest.fixture(scope="module", params=["text", "json"])
def logging_service(
    request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """As talkative as it gets."""
    log = tmp_path_factory.mktemp("logs") / "log"
    with serving(models, log, SOUNDPROOF_LOG_FORMAT=request.param, SOUNDPROOF_LOG_LEVEL="debug") as running:
        yield running


def is_json(service: Service) -> bool:
    return service.log.read_text().startswith("{")


def lines(service: Service) -> list[dict[str, Any]]:
    """Of a log of JSON, every line."""
    return [json.loads(line) for line in service.log.read_text().splitlines()]


def last(opened: Connection) -> None:
    """So that everything before it is in the log."""
    opened.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    assert opened.answer().status_code == 200


def hostile(service: Service) -> None:
    """Everything of a request that a caller chooses."""
    upload(service, GOOD, name=FORGED, label=FORGED, model=FORGED, contract=FORGED)
    upload(service, b"RIFF" + SECRET.encode() * 9, name=f"{SECRET}.wav")
    upload(service, GOOD, **{FORGED: FORGED})
    with service.client() as client:
        client.headers.update({"User-Agent": SECRET, "Cookie": SECRET, "Referer": f"http://{SECRET}/"})
        client.get(f"/models/{SECRET}%0d%0a2026?token={SECRET}", headers={"Authorization": f"Bearer {SECRET}"})
        client.get(f"/{SECRET}%1b[2J?{SECRET}#{SECRET}")
        client.request(SECRET.replace("_", "-"), f"/certify?{SECRET}")
        client.delete(f"/jobs/{SECRET}")
        client.get(f"/certificates/{SECRET}")
        clips = [(f"{SECRET}.wav", GOOD), (f"{SECRET}/bad.wav", b"RIFF" + SECRET.encode())]
        ended(client, submit(client, clips, headers={"Idempotency-Key": SECRET})["id"])
    with connection(service) as opened:
        opened.send(f"NONSENSE {SECRET}\r\n\r\n".encode())
        opened.answer()
    with connection(service) as opened:
        opened.send(head(f"POST /certify?{SECRET}", Content_Length=10, X_Forwarded_For=SECRET), SECRET.encode()[:10])
        opened.answer()
    body = form(AUDIO, part(f"{SECRET}\x1b", SECRET))
    with connection(service) as opened:
        opened.send(head(Content_Length=len(body)), body)
        opened.answer()
        last(opened)


def test_nothing_that_was_sent_is_in_the_log_and_no_line_is_forged(logging_service: Service) -> None:
    hostile(logging_service)
    log = logging_service.log.read_bytes()
    for sent in (SECRET.encode(), SECRET.replace("_", "-").encode(), b"forged", b"hush", b"\x1b", b"\r", b".wav"):
        assert sent not in log, sent
    assert all(line.isprintable() for line in log.decode().split("\n"))
    assert b"Traceback" not in log


def test_each_request_has_one_line_with_its_fields(logging_service: Service) -> None:
    answer = upload(logging_service, GOOD)
    request_id = answer.headers["x-request-id"]
    assert wait_for(lambda: request_id in logging_service.log.read_text())  # written when all has been sent
    if is_json(logging_service):
        [line] = [line for line in lines(logging_service) if line.get("request_id") == request_id]
        seconds = line.pop("seconds")
        assert 0 < seconds < 60
        assert line.pop("ts").endswith("Z")
        assert line == {
            "level": "info",
            "logger": "soundproof.access",
            "message": f"POST /certify 200 {seconds:.3f} s",
            "request_id": request_id,
            "method": "POST",
            "route": "/certify",
            "status": 200,
        }
    else:
        [text] = [line for line in logging_service.log.read_text().splitlines() if request_id in line]
        assert " INFO soundproof.access: POST /certify 200 " in text


def test_a_key_is_told_by_its_name(models: Path, tmp_path: Path) -> None:
    secret = new_secret()
    key = ApiKey(name="the-caller", sha256=sha256_of(secret), scopes=frozenset({Scope.READ}))
    (tmp_path / "keys.toml").write_text(key.toml)
    service = serving(
        models, tmp_path / "log", SOUNDPROOF_API_KEYS=str(tmp_path / "keys.toml"), SOUNDPROOF_LOG_FORMAT="json"
    )
    with service as running, running.client() as client:
        known = {"Authorization": f"Bearer {secret}", "X-Request-ID": "known"}
        client.get("/models", headers=known).raise_for_status()
        stranger = client.get("/models", headers={"X-Request-ID": "stranger"})
    assert stranger.status_code == 401
    assert {name: stranger.headers[name] for name in ALWAYS} == ALWAYS
    told = {line["request_id"]: line for line in lines(running) if line["logger"] == "soundproof.access"}
    assert (told["known"]["key"], told["known"]["status"]) == ("the-caller", 200)
    assert "key" not in told["stranger"]
    assert secret not in running.log.read_text()


def test_a_worker_writes_its_lines_as_the_service_does(models: Path, tmp_path: Path) -> None:
    with serving(models, tmp_path / "log", SOUNDPROOF_LOG_FORMAT="json") as running:
        [worker] = psutil.Process(running.pid).children()
        os.kill(worker.pid, signal.SIGKILL)
        assert wait_for(lambda: metric(running, "soundproof_worker_losses_total") == 1)
        assert wait_for(lambda: metric(running, "soundproof_worker_up") == 1)
    told = lines(running)  # every line of it, of uvicorn and asyncio too
    assert {"soundproof.engine", "soundproof.access"} <= {line["logger"] for line in told}
    assert [line for line in told if line["level"] == "warning" and "ended with status" in line["message"]]


def test_what_a_worker_itself_logs_is_json(tmp_path: Path) -> None:
    code = (
        "import logging, socket, threading; from soundproof import __version__, logs;"
        "from soundproof.engine import worker; from soundproof.engine.protocol import Start, encode;"
        "ours, theirs = socket.socketpair();"
        "ours.sendall(encode(Start('cpu', 1, 'another version', logs.Style('json', 'info'))));"
        "worker.run(theirs)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    line = json.loads(done.stderr)
    assert (done.returncode, line["level"], line["logger"]) == (1, "critical", "soundproof.worker")
    assert "another version" in line["message"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_store_that_fails_does_not_tell_its_password(models: Path, tmp_path: Path, form: str) -> None:
    store = f"postgresql://soundproof:{SECRET}@127.0.0.1:1/none?sslpassword={SECRET}"
    settings = {"SOUNDPROOF_STORE": store, "SOUNDPROOF_LOG_FORMAT": form, "SOUNDPROOF_MODELS": str(models)}
    command = [sys.executable, "-m", "soundproof", "serve", "--port", "0"]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 4
    assert "hush" not in done.stdout + done.stderr
    assert "127.0.0.1" in done.stderr or "store" in done.stderr
