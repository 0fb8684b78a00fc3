"""The alerts that Prometheus is given, by name."""

from typing import Any

import yaml
from tests.conftest import ROOT

FILE = ROOT / "docker" / "prometheus" / "alerts.rules.yml"
TESTS = ROOT / "docker" / "prometheus" / "alerts.test.yml"


def alerts() -> dict[str, dict[str, Any]]:
    [group] = yaml.safe_load(FILE.read_text())["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}
