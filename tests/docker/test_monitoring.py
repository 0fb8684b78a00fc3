"""Prometheus asks the service, Grafana asks Prometheus: by the names that Compose gives them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.conftest import ROOT
from tests.docker import dashboard
from tests.docker.alerts import TESTS, alerts
from tests.docker.compose import compose

from soundproof.api.metrics import Metrics

PROMETHEUS = ROOT / "docker" / "prometheus.yml"
SERVICES = compose()["services"]
GRAFANA = ROOT / "docker" / "grafana"
RECORDING = ROOT / "docker" / "prometheus" / "recording.rules.yml"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool, of Debian's package prometheus"
)


@needs_promtool
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


def test_prometheus_reads_its_rules_where_they_are_mounted() -> None:
    mounts = {mount["source"]: mount["target"] for mount in SERVICES["prometheus"]["volumes"]}
    configuration = Path(mounts["./docker/prometheus.yml"])
    [pattern] = yaml.safe_load(PROMETHEUS.read_text())["rule_files"]
    assert (configuration.parent / pattern).parent == Path(mounts["./docker/prometheus"])
    assert {path.name for path in PROMETHEUS.parent.glob(pattern)} == {"alerts.rules.yml", "recording.rules.yml"}


@needs_promtool
def test_every_alert_fires_when_it_should_and_only_then() -> None:
    command = ["promtool", "test", "rules", str(TESTS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_firing_and_quiet() -> None:
    tested = [each for test in yaml.safe_load(TESTS.read_text())["tests"] for each in test["alert_rule_test"]]
    assert {each["alertname"] for each in tested if each["exp_alerts"]} == alerts().keys()
    assert {each["alertname"] for each in tested if not each["exp_alerts"]} == alerts().keys()


@pytest.mark.parametrize("name", alerts())
def test_an_alert_has_a_severity_and_a_paragraph_that_says_what_to_do(name: str) -> None:
    alert = alerts()[name]
    assert alert["labels"]["severity"] in ("page", "warn", "info")
    document, _, anchor = alert["annotations"]["runbook"].partition("#")
    assert (document, anchor) == ("docs/operations.md", name.lower())
    assert re.search(rf"^### {name}\n\n\S", OPERATIONS, re.MULTILINE)


def test_no_paragraph_is_of_an_alert_that_does_not_exist() -> None:
    assert set(re.findall(r"^### (Soundproof\w+)$", OPERATIONS, re.MULTILINE)) == alerts().keys()


def test_every_query_is_of_series_that_exist() -> None:
    """A name that was changed on one side would be an empty panel, and an alert that never fires."""
    ours = {family.name for family in Metrics().registry.collect()}
    endings = ("", "_total", "_bucket", "_sum", "_count")
    rules = [rule for group in yaml.safe_load(RECORDING.read_text())["groups"] for rule in group["rules"]]
    recorded = {rule["record"] for rule in rules}
    expressions = [target.expr for panel in dashboard.panels() for target in panel.targets]
    expressions += [rule["expr"] for rule in (*rules, *alerts().values())]
    for expression in expressions:
        names = set(re.findall(r"[a-z_]*:?soundproof[a-z_:0-9]*", re.sub(r'"[^"]*"', "", expression)))
        assert names <= recorded | {name + ending for name in ours for ending in endings}, expression


def test_the_dashboard_is_what_its_script_writes(tmp_path: Path) -> None:
    copy = tmp_path / "grafana"
    shutil.copytree(GRAFANA, copy)
    (copy / "dashboards" / "soundproof.json").unlink()
    subprocess.run([sys.executable, str(copy / "dashboard.py")], check=True, timeout=60)
    assert (copy / "dashboards" / "soundproof.json").read_text() == dashboard.FILE.read_text()


def test_grafana_finds_the_dashboard_and_its_source() -> None:
    [provider] = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "soundproof.yml").read_text())["providers"]
    [mount] = [each for each in SERVICES["grafana"]["volumes"] if each["type"] == "bind"]
    assert provider["options"]["path"] == f"{mount['target']}/{dashboard.FILE.parent.name}"
    [source] = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"]
    used = {panel["datasource"]["uid"] for panel in dashboard.document()["panels"] if panel["type"] != "row"}
    assert used == {source["uid"]}


def test_panels_lie_side_by_side_and_fill_every_row() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard.panels(rows=True):
        place = panel.place
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel.title
        taken |= cells
    height = 1 + max(y for _, y in taken)
    assert taken == {(x, y) for x in range(24) for y in range(height)}
