"""requirements/audit.py against an advisory database on 127.0.0.1."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ROOT

SCRIPT = ROOT / "requirements" / "audit.py"
KNOWN = {
    "id": "PYSEC-2099-1",
    "aliases": ["CVE-2099-0001"],
    "summary": "It is wrong.",
    "affected": [
        {
            "package": {"name": "packaging", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "26.1"}]}],
        }
    ],
}


@pytest.fixture
def database() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Its address, and what it was asked. It knows of one vulnerability of one package."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append(question)
            found = [KNOWN] if question["package"]["name"] == "packaging" else []
            body = json.dumps({"vulns": found} if found else {}).encode()
            self.send_response(503 if self.path == "/down" else 200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", asked
        server.shutdown()
        thread.join()


def pinned(folder: Path, *requirements: str, hashed: bool = True) -> Path:
    file = folder / "pinned.txt"
    file.write_text("".join(f"{each}{' --hash=sha256:' + '0' * 64 if hashed else ''}\n" for each in requirements))
    return file


def accepting(folder: Path, *entries: str) -> Path:
    file = folder / "audit.toml"
    file.write_text("".join(f"[[accepted]]\n{entry}\n" for entry in entries))
    return file


def until(days: int) -> str:
    return f"until = {(datetime.now(UTC) + timedelta(days=days)).date()}"


def audit(url: str, file: Path, exceptions: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(SCRIPT), "--osv-url", url, "--exceptions", str(exceptions), *options, str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_nothing_known_is_success(database: tuple[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    url, asked = database
    done = audit(url, pinned(tmp_path, "h11==0.16.0", "idna==3.11"), accepting(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert [(each["package"]["name"], each["version"]) for each in asked] == [("h11", "0.16.0"), ("idna", "3.11")]


def test_a_known_vulnerability_is_a_failure(database: tuple[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    done = audit(database[0], pinned(tmp_path, "h11==0.16.0", "packaging==25.0"), accepting(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "audit: packaging 25.0: PYSEC-2099-1 = CVE-2099-0001; fixed in 26.1\n"


@pytest.mark.parametrize("name", ["PYSEC-2099-1", "CVE-2099-0001"])
def test_one_that_is_accepted_with_a_reason_is_not(
    database: tuple[str, list[dict[str, Any]]], tmp_path: Path, name: str
) -> None:
    accepted = accepting(tmp_path, f'id = "{name}"\nreason = "not called"\n{until(1)}')
    done = audit(database[0], pinned(tmp_path, "packaging==25.0"), accepted)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (f'id = "PYSEC-2099-1"\nreason = "not called"\n{until(-1)}', "look at it again"),
        (f'id = "PYSEC-2099-1"\nreason = " "\n{until(1)}', "needs a reason"),
        ('id = "PYSEC-2099-1"\nreason = "not called"\nuntil = "some day"', "a date until"),
        ('id = "PYSEC-2099-1"\nreason = "not called"', "an entry needs"),
    ],
)
def test_one_that_has_expired_or_has_no_reason_is_a_failure(
    database: tuple[str, list[dict[str, Any]]], tmp_path: Path, entry: str, told: str
) -> None:
    done = audit(database[0], pinned(tmp_path, "h11==0.16.0"), accepting(tmp_path, entry))
    assert done.returncode == 2
    assert told in done.stderr


def test_what_is_accepted_and_not_found_any_more_is_told(
    database: tuple[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    accepted = accepting(tmp_path, f'id = "PYSEC-2098-7"\nreason = "not called"\n{until(1)}')
    done = audit(database[0], pinned(tmp_path, "h11==0.16.0"), accepted)
    assert done.returncode == 0
    assert "PYSEC-2098-7 is not found any more" in done.stderr


@pytest.mark.parametrize("path", ["down", None])
def test_a_database_that_does_not_answer_is_a_warning(
    database: tuple[str, list[dict[str, Any]]], tmp_path: Path, path: str | None
) -> None:
    url = database[0] + path if path else "http://127.0.0.1:9/"
    file = pinned(tmp_path, "packaging==25.0")
    done = audit(url, file, accepting(tmp_path))
    assert done.returncode == 0
    assert "WARNING: nothing was checked" in done.stderr
    assert audit(url, file, accepting(tmp_path), "--strict").returncode == 1


def test_what_is_not_pinned_with_a_hash_is_a_failure(
    database: tuple[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    done = audit(database[0], pinned(tmp_path, "packaging==25.0", hashed=False), accepting(tmp_path))
    assert done.returncode == 2
    assert "packaging" in done.stderr or "hash" in done.stderr


def test_the_pinned_files_can_be_asked_about_and_audit_is_a_part_of_check() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "\ncheck: $(VENV)/.dev audit\n" in makefile
    assert "python requirements/audit.py\n" in makefile
    # An advisory that is accepted has to be there with a date that is not over.
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--osv-url", "http://127.0.0.1:9/"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" in done.stderr
