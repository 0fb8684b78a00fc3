"""A real Prometheus reads a service that has keys, with the line that docker/prometheus.yml has ready."""

import time
from pathlib import Path

import pytest
import yaml
from tests.api.access.keys import made, write
from tests.conftest import serving
from tests.docker.prometheus_server import BINARY, CONFIGURATION, watching

from soundproof.api_keys import Scope

pytestmark = pytest.mark.skipif(BINARY is None, reason="needs prometheus (Debian: apt-get install prometheus)")


def test_prometheus_scrapes_with_its_key(models: Path, tmp_path: Path) -> None:
    key = made("prometheus", Scope.ADMIN)
    (tmp_path / "metrics_key").write_text(key.secret + "\n")
    keys = write(tmp_path / "keys.toml", [key])
    with (
        serving(models, tmp_path / "log", SOUNDPROOF_API_KEYS=str(keys)) as service,
        watching(f"127.0.0.1:{service.port}", tmp_path, credentials=tmp_path / "metrics_key") as prometheus,
    ):
        deadline = time.monotonic() + 30
        while not (found := prometheus.query("up == 1 and on() soundproof_ready")) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert found
        [cost] = prometheus.query("soundproof_key_cost_total")
        assert cost.labels["key"] == "prometheus"


def test_the_line_is_one_that_prometheus_takes() -> None:
    text = CONFIGURATION.read_text()
    assert "# authorization:" in text
    [job] = yaml.safe_load(text.replace("# authorization:", "authorization:"))["scrape_configs"]
    assert job["authorization"] == {"credentials_file": "/run/secrets/metrics_key"}
