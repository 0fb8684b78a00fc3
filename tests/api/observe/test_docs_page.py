"""GET /docs works under the policy that it states."""

import base64
import hashlib
import re
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.conftest import Service

from soundproof.api.docs_page import policy

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def test_the_inline_script_and_no_other_is_allowed_by_its_digest(service: Service) -> None:
    with service.client() as client:
        page = client.get("/docs")
    [script] = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    directives = dict(each.strip().split(" ", 1) for each in page.headers["content-security-policy"].split(";"))
    assert directives["script-src"] == f"'self' 'sha256-{digest}'"
    assert directives["default-src"] == "'none'"
    assert directives["connect-src"] == "'self'"


def test_a_page_without_a_script_of_its_own_allows_none() -> None:
    assert "script-src 'self' ;" in policy(b"<script src='x.js'></script>")


def test_everything_that_the_page_names_is_its_own(service: Service) -> None:
    with service.client() as client:
        page = client.get("/docs").text
        for address in re.findall(r'(?:src|href)="([^"]*)"', page):
            assert address.startswith("/static-offline-docs/")
            client.get(address).raise_for_status()


def rendered(url: str, folder: Path) -> tuple[str, str]:
    """The page after its scripts have run, and what the browser had to say about it."""
    assert CHROMIUM
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--virtual-time-budget=8000"]
    done = subprocess.run(
        [CHROMIUM, *flags, f"--user-data-dir={folder}", "--enable-logging=stderr", "--v=0", "--dump-dom", url],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    return done.stdout, done.stderr


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_browser_shows_the_page_and_has_nothing_to_refuse(service: Service, tmp_path: Path) -> None:
    with service.client() as client:
        operation = client.get("/openapi.json").json()["paths"]["/certify"]["post"]["operationId"]
    page, log = rendered(f"{service.url}/docs#/certify/{operation}", tmp_path)
    assert "Content Security Policy" not in log
    assert "opblock-body" in page  # of the operation that the address names, which is open
    assert "opblock-summary-path" in page  # drawn by Swagger from openapi.json
    for path in ("/certify", "/jobs", "/verify"):
        assert f'data-path="{path}"' in page


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_browser_says_what_a_policy_refuses(tmp_path: Path) -> None:
    """Else the silence above would mean nothing."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-security-policy", policy(b""))
            self.end_headers()
            self.wfile.write(b"<script>document.title = 'refused'</script>")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        _, log = rendered(f"http://127.0.0.1:{server.server_port}", tmp_path)
        server.shutdown()
        thread.join()
    assert "Content Security Policy" in log
