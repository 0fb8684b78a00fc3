"""A panel of the dashboard, and what it asks Prometheus."""

from dataclasses import dataclass

RATE = "[$__rate_interval]"


@dataclass(frozen=True)
class Query:
    expr: str
    legend: str = ""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """`kind` and `unit`: Grafana's names of them. `width`: in columns, of 24. `stacked`: areas on top of each other."""

    title: str
    queries: tuple[Query, ...]
    width: int
    kind: str = "timeseries"
    unit: str = "short"
    about: str = ""
    stacked: bool = False
    red_from: float | None = None
    red_below: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Row:
    title: str
    height: int
    panels: tuple[Panel, ...]


def one(expr: str, legend: str = "") -> tuple[Query, ...]:
    return (Query(expr, legend),)


def mean(name: str) -> str:
    """Of a histogram of seconds."""
    return f"sum(rate({name}_sum{RATE})) / sum(rate({name}_count{RATE}))"
