"""Prometheus asks the service, Grafana asks Prometheus: by the names that Compose gives them."""

import shutil
import subprocess

import pytest
import yaml
from tests.conftest import ROOT
from tests.docker.compose import compose

PROMETHEUS = ROOT / "docker" / "prometheus.yml"
SERVICES = compose()["services"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, of Debian's package prometheus")
def test_promtool_takes_the_configuration() -> None:
    command = ["promtool", "check", "config", str(PROMETHEUS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["service", "service-gpu"])
def test_prometheus_asks_the_service_by_a_name_and_port_that_it_has(name: str) -> None:
    targets = {
        target
        for job in yaml.safe_load(PROMETHEUS.read_text())["scrape_configs"]
        for group in job["static_configs"]
        for target in group["targets"]
    }
    service = SERVICES[name]
    port = service["ports"][0].rpartition(":")[2]
    assert {f"{alias}:{port}" for alias in service["networks"]["default"]["aliases"]} <= targets


def test_grafana_asks_prometheus() -> None:
    [source] = yaml.safe_load(
        (ROOT / "docker" / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text()
    )["datasources"]
    port = SERVICES["prometheus"]["ports"][0].rpartition(":")[2]
    assert source["url"] == f"http://prometheus:{port}"
    [mount] = [each for each in SERVICES["grafana"]["volumes"] if each["type"] == "bind"]
    assert SERVICES["grafana"]["environment"]["GF_PATHS_PROVISIONING"] == f"{mount['target']}/provisioning"
    assert mount["source"] == "./docker/grafana"
