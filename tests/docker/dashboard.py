"""The dashboard as Grafana reads it, and its queries as Prometheus can be asked."""

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.conftest import ROOT

FILE = ROOT / "docker" / "grafana" / "dashboards" / "soundproof.json"


@dataclass(frozen=True)
class Target:
    expr: str
    legend: str

    def name(self, labels: dict[str, str]) -> str:
        """What a series is called in the legend."""
        return re.sub(r"{{\s*(\w+)\s*}}", lambda match: labels.get(match[1], ""), self.legend)


@dataclass(frozen=True)
class Panel:
    """`place`: x, y, w and h on a grid of 24 columns."""

    title: str
    kind: str
    unit: str
    stacked: bool
    place: dict[str, int]
    targets: tuple[Target, ...]


def document() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(FILE.read_text())
    return parsed


def panels(*, rows: bool = False, window: str = "1m") -> list[Panel]:
    """All of them, with the titles of the rows where those are asked for; `window`: what rates are taken over."""
    return [_panel(each, window) for each in document()["panels"] if rows or each["type"] != "row"]


def _panel(panel: dict[str, Any], window: str) -> Panel:
    style = panel.get("fieldConfig", {}).get("defaults", {})
    return Panel(
        title=panel["title"],
        kind=panel["type"],
        unit=style.get("unit", ""),
        stacked=style.get("custom", {}).get("stacking", {}).get("mode") == "normal",
        place=panel["gridPos"],
        targets=tuple(
            Target(_asked(target["expr"], window), target["legendFormat"]) for target in panel.get("targets", ())
        ),
    )


def _asked(expr: str, window: str) -> str:
    """Grafana's variables replaced. Prometheus refuses a query with any other."""
    return expr.replace("$model", ".*").replace("$__rate_interval", window)
