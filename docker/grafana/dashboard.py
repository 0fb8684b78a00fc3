"""Writes docker/grafana/dashboards/soundproof.json:  python docker/grafana/dashboard.py

The dashboard that Grafana shows is what panels.py lists; needs nothing but Python. tests/docker/test_monitoring.py
notices when it was not run after a change.
"""

import json
from pathlib import Path
from typing import Any

from panel import Panel
from panels import ROWS

FILE = Path(__file__).parent / "dashboards" / "soundproof.json"
SOURCE = {"type": "prometheus", "uid": "prometheus"}
COLUMNS = 24  # of Grafana's grid


def main() -> None:
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(dashboard(), indent=2) + "\n")


def dashboard() -> dict[str, Any]:
    panels: list[dict[str, Any]] = []
    top = 0
    for row in ROWS:
        place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        panels.append({"type": "row", "title": row.title, "gridPos": place, "collapsed": False, "panels": []})
        left = 0
        for panel in row.panels:
            place = {"x": left, "y": top + 1, "w": panel.width, "h": row.height}
            panels.append(drawn(panel) | {"gridPos": place})
            left += panel.width
        top += 1 + row.height
    return {
        "uid": "soundproof",
        "title": "Soundproof",
        "description": "Certificates of robustness for audio classifiers: docs/operations.md",
        "tags": ["soundproof"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [model_variable()]},
        "annotations": {"list": [restarts()]},
        "panels": [{"id": number} | panel for number, panel in enumerate(panels, 1)],
    }


def drawn(panel: Panel) -> dict[str, Any]:
    heatmap = panel.kind == "heatmap"
    targets = [
        {
            "refId": chr(ord("A") + number),
            "datasource": SOURCE,
            "expr": query.expr,
            "legendFormat": query.legend,
            "format": "heatmap" if heatmap else "time_series",
        }
        for number, query in enumerate(panel.queries)
    ]
    about = {"description": panel.about} if panel.about else {}
    return {
        "type": panel.kind,
        "title": panel.title,
        **about,
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": defaults(panel), "overrides": []},
        "options": options(panel),
    }


def defaults(panel: Panel) -> dict[str, Any]:
    """Of all series of the panel: unit, colours, how they are drawn."""
    steps: list[dict[str, Any]] = [{"color": "green" if panel.red_below is None else "red", "value": None}]
    if panel.red_below is not None:
        steps.append({"color": "green", "value": panel.red_below})
    if panel.red_from is not None:
        steps.append({"color": "red", "value": panel.red_from})
    found: dict[str, Any] = {
        "unit": panel.unit,
        "color": {"mode": "thresholds" if panel.kind == "stat" else "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if panel.unit != "dB":
        found["min"] = 0
    if panel.most is not None:
        found["max"] = panel.most
    if panel.kind == "timeseries":
        found["custom"] = {
            "drawStyle": "line",
            "lineInterpolation": "linear",
            "lineWidth": 1,
            "fillOpacity": 35 if panel.stacked else 10,
            "gradientMode": "opacity",
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        }
    return found


def options(panel: Panel) -> dict[str, Any]:
    """What is peculiar to the panel's kind."""
    match panel.kind:
        case "stat":
            reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
            return {"reduceOptions": reduced, "colorMode": "value", "graphMode": "area", "textMode": "value"}
        case "bargauge":
            reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
            return {"reduceOptions": reduced, "displayMode": "gradient", "orientation": "horizontal"}
        case "heatmap":
            return {
                "calculate": False,
                "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "reverse": False},
                "cellGap": 1,
                "yAxis": {"unit": panel.unit},
                "rowsFrame": {"layout": "auto"},
                "tooltip": {"mode": "single", "yHistogram": True},
                "legend": {"show": True},
            }
        case _:
            return {
                "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }


def model_variable() -> dict[str, Any]:
    """The models to look at, all of them unless somebody picks."""
    query = "label_values(soundproof_noise_samples_total, model)"
    return {
        "name": "model",
        "label": "Model",
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": "models"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def restarts() -> dict[str, Any]:
    """Marks in every graph where a worker was lost."""
    return {
        "name": "A worker was restarted",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": "changes(soundproof_worker_losses_total[1m]) > 0",
        "titleFormat": "A worker was restarted",
    }


if __name__ == "__main__":
    main()
