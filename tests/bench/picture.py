"""A dashboard's panels as a figure: what Prometheus answered, in Grafana's arrangement."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tests.docker.dashboard import Panel, Target

COLUMNS = 24
WIDTH_IN, ROW_IN = 17.0, 0.29
BACK, FRAME, TEXT, DIM = "#111217", "#181b1f", "#ccccdc", "#8e8e9e"
COLOURS = ("#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#b877d9", "#f2495c", "#8ab8ff", "#ffa6b0", "#96d98d", "#fade2a")
MOST_LEGENDS = 6


@dataclass(frozen=True)
class Span:
    """The time that is shown, in seconds of Unix time."""

    start: float
    end: float

    @property
    def minutes(self) -> float:
        return (self.end - self.start) / 60


Ask = Callable[[str], list[dict[str, Any]]]
Lines = list[tuple[str, np.ndarray[Any, Any], np.ndarray[Any, Any]]]


def drawn(panels: Sequence[Panel], ask: Ask, span: Span) -> Figure:
    """`ask`: a query's series over the span."""
    rows = max(panel.place["y"] + panel.place["h"] for panel in panels)
    height_in = rows * ROW_IN
    plt.rcParams |= {"font.size": 8, "text.color": TEXT, "axes.labelcolor": DIM, "font.family": "DejaVu Sans"}
    figure = plt.figure(figsize=(WIDTH_IN, height_in), facecolor=BACK)
    for panel in panels:
        place = panel.place
        left, width = place["x"] / COLUMNS, place["w"] / COLUMNS
        bottom, height = 1 - (place["y"] + place["h"]) / rows, place["h"] / rows
        if panel.kind == "row":
            figure.text(left + 0.004, bottom + height * 0.3, f"⌄ {panel.title}", fontsize=11, weight="bold")
            continue
        gap, line = 0.0025, 0.16 / height_in
        frame = figure.add_axes((left + gap, bottom + gap / 2, width - 2 * gap, height - gap), facecolor=FRAME)
        frame.set(xticks=[], yticks=[])
        frame.spines[:].set_color("#2c3035")
        figure.text(left + 0.007, bottom + height - 1.5 * line, panel.title, fontsize=8.5, weight="bold")
        inner = (left + 0.032, bottom + 2.9 * line, width - 0.043, height - 5.2 * line)
        axes = figure.add_axes(inner, facecolor=FRAME)
        draw(axes, panel, ask, span)
    return figure


def draw(axes: Axes, panel: Panel, ask: Ask, span: Span) -> None:
    axes.tick_params(colors=DIM, labelsize=7, length=0)
    axes.spines[:].set_visible(False)
    found = [(target, each) for target in panel.targets for each in ask(target.expr)]
    if not found:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "No data", ha="center", va="center", color=DIM, transform=axes.transAxes)
    elif panel.kind == "heatmap":
        heatmap(axes, panel, [each for _, each in found], span)
    else:
        {"stat": stat, "bargauge": bars}.get(panel.kind, graph)(axes, panel, lines(found, span.start))
    if found and panel.kind in ("heatmap", "timeseries"):
        axes.set_xlim(0, span.minutes)
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(5, integer=True))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} min")


def lines(found: Sequence[tuple[Target, dict[str, Any]]], start: float) -> Lines:
    """Legend, minutes and values of each series."""
    return [
        (
            target.name(each["metric"]),
            np.array([(float(at) - start) / 60 for at, _ in each["values"]]),
            np.array([float(value) for _, value in each["values"]]),
        )
        for target, each in found
    ]


def graph(axes: Axes, panel: Panel, series: Lines) -> None:
    grid = np.unique(np.concatenate([minutes for _, minutes, _ in series]))
    below = np.zeros(len(grid))
    for number, (legend, minutes, values) in enumerate(series):
        colour = COLOURS[number % len(COLOURS)]
        if panel.stacked:
            top = below + np.nan_to_num(np.interp(grid, minutes, np.nan_to_num(values), left=0, right=0))
            axes.fill_between(grid, below, top, color=colour, alpha=0.45, linewidth=0)
            axes.plot(grid, top, color=colour, linewidth=0.9, label=legend)
            below = top
        else:
            axes.plot(minutes, values, color=colour, linewidth=1.1, label=legend)
            if len(series) == 1:
                axes.fill_between(minutes, 0, values, color=colour, alpha=0.12, linewidth=0)
    axes.grid(color="#2c3035", linewidth=0.6)
    if panel.unit != "dB":
        axes.set_ylim(0, 1.02 if panel.unit == "percentunit" else None)
    axes.yaxis.set_major_locator(mpl.ticker.MaxNLocator(4))
    axes.yaxis.set_major_formatter(lambda value, _: shown(value, panel.unit))
    if any(legend for legend, _, _ in series):
        kept, names = axes.get_legend_handles_labels()
        axes.legend(
            kept[:MOST_LEGENDS],
            names[:MOST_LEGENDS],
            loc="upper left",
            bbox_to_anchor=(-0.01, -0.11),
            ncols=panel.place["w"] // 3 if panel.place["w"] > 8 else 3,
            frameon=False,
            fontsize=6.5,
            labelcolor=TEXT,
            handlelength=1,
            columnspacing=1,
            borderaxespad=0,
        )


def stat(axes: Axes, panel: Panel, series: Lines) -> None:
    [(_, minutes, values), *_] = series
    axes.set_axis_off()
    axes.fill_between(minutes, 0, np.nan_to_num(values), color=COLOURS[0], alpha=0.18, linewidth=0)
    axes.plot(minutes, values, color=COLOURS[0], linewidth=0.8, alpha=0.6)
    axes.set_ylim(0, 2.6 * max(float(np.nanmax(values)), 1e-9))
    told = shown(float(values[~np.isnan(values)][-1]), panel.unit)
    size = 22 if panel.place["w"] > 2 else 16
    axes.text(0.45, 0.6, told, size=size, color=COLOURS[0], ha="center", va="center", transform=axes.transAxes)


def bars(axes: Axes, panel: Panel, series: Lines) -> None:
    names = [legend for legend, _, _ in series]
    values = [float(values[-1]) for _, _, values in series]
    axes.barh(names, values, color=COLOURS[: len(names)], alpha=0.8)
    axes.invert_yaxis()
    axes.set_xticks([])
    for place, value in enumerate(values):
        axes.text(value, place, f" {shown(value, panel.unit)}", va="center", fontsize=7)


def heatmap(axes: Axes, panel: Panel, series: Sequence[dict[str, Any]], span: Span) -> None:
    """Of a histogram's buckets, each of which counts all below it."""
    buckets = sorted(series, key=lambda each: float(each["metric"]["le"]))
    grid = np.unique([float(at) for each in buckets for at, _ in each["values"]])
    rows = []
    for bucket in buckets:
        known = {float(at): float(value) for at, value in bucket["values"]}
        rows.append([known.get(at, math.nan) for at in grid])
    counts = np.diff(np.nan_to_num(np.array(rows)), axis=0, prepend=0).clip(0)
    shading = np.where(counts > 0, counts, math.nan)
    axes.pcolormesh((grid - span.start) / 60, np.arange(len(buckets)), shading, cmap="YlOrRd_r", shading="nearest")
    edges = range(0, len(buckets) - 1, 2)
    axes.set_yticks([edge + 0.5 for edge in edges])
    axes.set_yticklabels([f"{float(buckets[edge]['metric']['le']):g} {panel.unit}" for edge in edges])


def shown(value: float, unit: str) -> str:
    match unit:
        case "percentunit":
            return f"{100 * value:.3g} %"
        case "bytes":
            return f"{value / 2**20:.0f} MiB"
        case "s" | "dB":
            return f"{value:.3g} {unit}"
        case _ if value >= 1000:
            return f"{value / 1000:.3g} K"
        case _:
            return f"{value:.3g}"
