"""A Prometheus of its own, with the rules and the configuration that are shipped, but in a hurry."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from tests.conftest import NO_CERTIFICATES, ROOT, free_port

CONFIGURATION = ROOT / "docker" / "prometheus.yml"
BINARY = shutil.which("prometheus")
INTERVAL_S = 0.5


@dataclass(frozen=True)
class Series:
    """One element of an instant vector."""

    labels: dict[str, str]
    value: float

    @property
    def values(self) -> tuple[str, ...]:
        """Of its labels, in the order of their names."""
        return tuple(value for _, value in sorted(self.labels.items()))


@dataclass(frozen=True)
class Prometheus:
    client: httpx.Client

    def query(self, expr: str) -> list[Series]:
        """The instant vector of an expression, now."""
        found = self._get("query", query=expr)
        assert found["resultType"] == "vector", expr
        return [Series(each["metric"], float(each["value"][1])) for each in found["result"]]

    def range(self, expr: str, start: float, end: float, step_s: float) -> list[dict[str, Any]]:
        """Series as Prometheus tells of them: `metric`, and `values` of [time, "value"]."""
        found = self._get("query_range", query=expr, start=start, end=end, step=step_s)
        series: list[dict[str, Any]] = found["result"]
        return series

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def _get(self, what: str, **asked: object) -> Any:
        answer = self.client.post(f"/api/v1/{what}", data=asked) if asked else self.client.get(f"/api/v1/{what}")
        document = answer.json()
        assert document["status"] == "success", document
        return document["data"]


@contextmanager
def watching(
    target: str, folder: Path, interval_s: float = INTERVAL_S, credentials: Path | None = None
) -> Iterator[Prometheus]:
    """It reads "HOST:PORT" every `interval_s` seconds and keeps what it reads in `folder`. `credentials`: a file with
    the key that it asks with."""
    assert BINARY is not None
    configuration = yaml.safe_load(CONFIGURATION.read_text())
    interval = f"{round(1000 * interval_s)}ms"
    configuration["global"] = {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval}
    configuration["rule_files"] = [str(CONFIGURATION.parent / pattern) for pattern in configuration["rule_files"]]
    [job] = configuration["scrape_configs"]
    job["static_configs"] = [{"targets": [target]}]
    if credentials:
        job["authorization"] = {"credentials_file": str(credentials)}
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration))
    port = free_port()
    command = [
        BINARY,
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", verify=NO_CERTIFICATES, timeout=30) as client:
            _wait_until_ready(client, process, folder / "log")
            yield Prometheus(client)
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(client: httpx.Client, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if client.get("/-/ready").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"Prometheus did not get ready:\n{log.read_text()}")
