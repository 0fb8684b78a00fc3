"""soundproof verify and soundproof keys as a user runs them."""

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.api.test_certify import CLIP, certify
from tests.conftest import Service
from tests.test_cli import run
from tests.verify.certificates import altered

from soundproof.signing import read_signing_key, sign

Write = Callable[[dict[str, Any]], tuple[str, str]]


@pytest.fixture(scope="module")
def issued(service: Service) -> dict[str, Any]:
    return certify(service, sigma=0.01, n=200)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A certificate and the clip as files; their paths."""

    def write(found: dict[str, Any]) -> tuple[str, str]:
        (tmp_path / "certificate.json").write_text(json.dumps(found))
        (tmp_path / "clip.wav").write_bytes(CLIP)
        return str(tmp_path / "certificate.json"), str(tmp_path / "clip.wav")

    return write


def test_a_good_certificate_is_a_readable_table_and_exits_0(
    service: Service, issued: dict[str, Any], write: Write
) -> None:
    result = run("verify", *write(issued), "--url", service.url, "--fresh-votes", "100")
    assert result.returncode == 0, result.stderr
    for name in ("document", "audio", "model", "seed", "votes", "derived", "rerun", "fresh"):
        assert re.search(rf"{name} +passed", result.stdout), name
    assert re.search("signature +skipped", result.stdout)
    assert "Every check that was made has passed. Skipped: signature." in result.stdout


def test_a_tampered_certificate_exits_1_and_json_is_the_report(
    service: Service, issued: dict[str, Any], write: Write
) -> None:
    files = write(altered(issued, {"radius": 1.0}))
    result = run("verify", *files, "--url", service.url, "--no-rerun", "--fresh-votes", "0", "--json")
    assert result.returncode == 1
    report = json.loads(result.stdout)
    assert report["result"] == "failed"
    assert {check["name"]: check["result"] for check in report["checks"]}["rerun"] == "skipped"


def test_without_a_url_the_votes_are_drawn_here(
    service: Service, models: Path, issued: dict[str, Any], write: Write
) -> None:
    result = run("verify", *write(issued), "--fresh-votes", "100", "--json", SOUNDPROOF_MODELS=str(models))
    assert result.returncode == 0, result.stderr
    checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    assert checks["rerun"]["result"] == "passed"
    assert "another seed" in checks["seed"]["detail"]


def test_offline_an_unsigned_certificate_shows_nothing_and_a_signed_one_does(
    issued: dict[str, Any], write: Write, tmp_path: Path
) -> None:
    files = write(issued)
    assert run("verify", *files, "--offline").returncode == 1
    made = run("keys", "new", str(tmp_path / "private"))
    (tmp_path / "public.pem").write_text(made.stdout)
    key = read_signing_key(tmp_path / "private")
    signed = issued | {"signature": sign(issued, key).model_dump()}
    public = ["--public-key", str(tmp_path / "public.pem")]
    assert run("verify", *write(signed), "--offline", *public).returncode == 0
    assert run("verify", *write(signed | {"created_at": "2020"}), "--offline", *public).returncode == 1
    assert run("verify", *write(issued), "--offline", *public).returncode == 1


def test_a_secret_checks_an_hmac_signature(issued: dict[str, Any], write: Write, tmp_path: Path) -> None:
    made = run("keys", "new", "--hmac", str(tmp_path / "secret"))
    assert made.stdout == ""
    signed = issued | {"signature": sign(issued, read_signing_key(tmp_path / "secret")).model_dump()}
    secret = ["--secret", str(tmp_path / "secret")]
    assert run("verify", *write(signed), "--offline", *secret).returncode == 0
    assert run("verify", *write(signed | {"created_at": "2020"}), "--offline", *secret).returncode == 1


def test_a_key_given_here_is_believed_before_the_service(
    service: Service, issued: dict[str, Any], write: Write, tmp_path: Path
) -> None:
    made = run("keys", "new", str(tmp_path / "private"))
    (tmp_path / "public.pem").write_text(made.stdout)
    ask = ["--url", service.url, "--no-rerun", "--fresh-votes", "0", "--public-key", str(tmp_path / "public.pem")]
    signed = issued | {"signature": sign(issued, read_signing_key(tmp_path / "private")).model_dump()}
    assert run("verify", *write(signed), *ask).returncode == 0
    assert run("verify", *write(issued), *ask).returncode == 1


def test_what_is_no_certificate_exits_1_without_a_service(write: Write) -> None:
    result = run("verify", *write({}), "--url", "http://127.0.0.1:9")
    assert result.returncode == 1
    assert re.search("document +failed", result.stdout)


def test_other_exit_codes(service: Service, issued: dict[str, Any], write: Write, tmp_path: Path) -> None:
    certificate, clip = write(issued)
    (tmp_path / "bad.wav").write_bytes(b"not audio")
    assert run("verify", certificate).returncode == 2
    assert run("verify", str(tmp_path / "none.json"), clip).returncode == 2
    assert run("verify", certificate, clip, "--public-key", clip).returncode == 2
    assert run("verify", certificate, clip, "--fresh-votes", "1000000000", "--url", service.url).returncode == 2
    assert run("verify", certificate, str(tmp_path / "none.wav")).returncode == 3
    assert run("verify", certificate, str(tmp_path / "bad.wav"), "--url", service.url).returncode == 3
    assert run("verify", certificate, clip, "--url", "http://127.0.0.1:9").returncode == 4


def test_a_new_key_is_its_owners_alone_and_shows_its_public_half_only(tmp_path: Path) -> None:
    file = tmp_path / "private"
    made = run("keys", "new", str(file))
    assert made.returncode == 0, made.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made.stdout.startswith("-----BEGIN PUBLIC KEY-----")
    shown = run("keys", "show", str(file))
    assert shown.stdout == made.stdout
    assert "PRIVATE" not in made.stdout + made.stderr + shown.stdout + shown.stderr
    (tmp_path / "public.pem").write_text(made.stdout)
    assert run("keys", "show", str(tmp_path / "public.pem")).stderr == shown.stderr
    again = run("keys", "new", str(file))
    assert again.returncode == 2
    assert "cannot be made" in again.stderr


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    made = run("keys", "new", "--hmac", str(file))
    shown = run("keys", "show", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for text in (made.stdout, made.stderr, shown.stdout, shown.stderr):
        assert file.read_text().strip() not in text
    assert "hmac-sha256 key" in shown.stderr
    assert run("keys", "show", str(tmp_path / "none")).returncode == 2
