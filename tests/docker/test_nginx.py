"""The reverse proxy of docker/nginx with a real nginx: what it lets through, and what it keeps from the service."""

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.api.attack import GOOD, certificate, metric, wait_for
from tests.api.jobs.asking import FEW, ended, sound
from tests.conftest import ROOT, Service, free_port

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONFIGURATION = ROOT / "docker" / "nginx" / "soundproof.conf"
NAME = "certify.example.org"
LOOPBACK = IPv4Address("127.0.0.1")
pytestmark = pytest.mark.skipif(NGINX is None, reason="needs nginx (Debian: apt-get install nginx-light)")


@pytest.fixture(scope="module")
def address(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """The folder of its certificate and the port of an nginx in front of the service."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    write_certificate(folder)
    shipped = CONFIGURATION.read_text()
    for shown, ours in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("127.0.0.1:8000", f"127.0.0.1:{service.port}"),
        ("/etc/nginx/", f"{folder}/"),
        ("client_header_timeout 10s;", "client_header_timeout 1s;"),
    ):
        assert shipped.count(shown) >= 1, shown
        shipped = shipped.replace(shown, ours)
    (folder / "soundproof.conf").write_text(shipped)
    with running(folder, port):
        yield folder, port


@contextmanager
def running(folder: Path, port: int) -> Iterator[None]:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder / kind};" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"daemon off; {user} pid {folder / 'pid'}; error_log {folder / 'error.log'};"
        f"events {{}} http {{ access_log off; {temporary} include {folder / 'soundproof.conf'}; }}"
    )
    assert NGINX is not None
    command = [NGINX, "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    process = subprocess.Popen(command)

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        assert wait_for(listens), (folder / "error.log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(30)


def write_certificate(folder: Path) -> None:
    """Of the server's name, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(LOOPBACK), x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "soundproof.crt").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "soundproof.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@pytest.fixture
def client(address: tuple[Path, int]) -> Iterator[httpx.Client]:
    folder, port = address
    trusted = ssl.create_default_context(cafile=str(folder / "soundproof.crt"))
    with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=trusted, timeout=60) as opened:
        yield opened


def test_a_clip_is_certified_through_it_and_problems_come_through_as_they_are(client: httpx.Client) -> None:
    certificate(client.post("/certify", files={"audio": ("a.wav", GOOD)}, data=FEW))
    refused = client.post("/certify", files={"audio": ("a.wav", b"RIFF")}, data=FEW)
    assert refused.headers["content-type"] == "application/problem+json"
    assert client.get("/readyz").is_success


@pytest.mark.parametrize(
    "path", ["/metrics", "//metrics", "/%6detrics", "/livez/../metrics", "/metrics%0a", "/metrics/"]
)
def test_metrics_are_not_shown_to_everybody(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_callers_own_request_id_and_trace_are_not_passed_on(client: httpx.Client) -> None:
    assert client.get("/livez", headers={"X-Request-ID": "a-strangers"}).headers["x-request-id"] != "a-strangers"


def test_progress_comes_as_it_is_made(client: httpx.Client) -> None:
    """Not all at once in the end: the first event is there while the certification goes on."""
    data = {"n": "200000", "model": "speech-commands-12", "progress": "true"}
    with client.stream("POST", "/certify", files={"audio": ("a.wav", GOOD)}, data=data) as answer:
        assert next(answer.iter_lines()) == "event: progress"


def test_a_job_is_larger_than_other_requests_may_be(service: Service, client: httpx.Client) -> None:
    large = sound(1, 30 * 16_000)
    files = [("audio", (f"{number}.wav", large)) for number in range(12)]
    assert sum(len(part[1][1]) for part in files) > 8 << 20
    job = client.post("/jobs", files=files, data=FEW)
    assert job.status_code == 202, job.text
    assert ended(client, job.json()["id"])["clips"]["total"] == len(files)
    before = metric(service, "soundproof_http_requests_total", route="/certify")
    refused = client.post("/certify", files={"audio": ("a.wav", bytes(9 << 20))}, data=FEW)
    assert refused.status_code == 413
    assert metric(service, "soundproof_http_requests_total", route="/certify") == before, "the service never met it"


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: "])
def test_a_client_that_does_not_finish_its_head_is_cut_off(address: tuple[Path, int], said: bytes) -> None:
    folder, port = address
    trusted = ssl.create_default_context(cafile=str(folder / "soundproof.crt"))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        trusted.wrap_socket(plain, server_hostname=NAME) as opened,
    ):
        if said:
            opened.sendall(said)
        assert b"200" not in b"".join(iter(lambda: opened.recv(4096), b""))  # 408, or nothing; and then the end
