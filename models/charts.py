"""The figures of the report, as SVG text."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rows import CertificateRow
from summary import ABSTAINED, Group, confusion

Floats = NDArray[np.float64]
COLOURS = {
    "waveform": "#2e6f95",
    "feature": "#7a4fa3",
    "fixed": "#555555",
    "clip": "#c8553d",
    "rms": "#4f8a5b",
    "peak": "#c9963a",
    "peak_clean": "#8c6d31",
}
PLAIN: dict[Any, Any] = {
    "svg.hashsalt": "soundproof",
    "svg.fonttype": "none",
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def accuracy_by_radius(group: Group) -> str:
    """Certified accuracy against radius: noise on the waveform left, on features right, where radii mean another."""
    spaces = {"l2 radius, gain-normalized waveform": _waves(group), "l2 radius, log-mel, nats": _features(group)}
    shown = {label: settings for label, settings in spaces.items() if settings}
    with mpl.rc_context(PLAIN):
        figure = Figure(figsize=(4.75 * len(shown) + 1.0, 3.8), layout="constrained")
        panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for axes, (label, settings) in zip(panels, shown.items(), strict=True):
            for setting in settings:
                axes.step(*reached(group.at(setting)), where="pre", label=_name(setting), **_style(setting))
            axes.set(xlabel=label, ylim=(0, 101))
        panels[0].set(ylabel="certified accuracy, %")
        _caption(figure, group)
        return _svg(figure)


def reached(rows: Sequence[CertificateRow]) -> tuple[Floats, Floats]:
    """Radii and the certified accuracy in percent at each, which holds from the radius before it up to this one."""
    radii = np.sort([row.radius or 0.0 for row in rows if row.right])
    shares = 100 * np.arange(len(radii), 0, -1) / len(rows)
    return np.concatenate(([0.0], radii, radii[-1:])), np.concatenate((shares[:1], shares, [0.0]))


def accuracy_by_snr(group: Group) -> str:
    """Certified accuracy against SNR: the share of clips that are right for every perturbation at that SNR or above."""
    with mpl.rc_context(PLAIN):
        figure = Figure(figsize=(6.5, 3.8), layout="constrained")
        axes = figure.subplots()
        settings = _waves(group)
        every = [row.snr_db for setting in settings for row in group.at(setting) if row.snr_db is not None]
        low, high = min(every, default=0.0) - 3, max(every, default=0.0) + 3
        for setting in settings:
            rows = group.at(setting)
            levels = np.sort([row.snr_db for row in rows if row.right and row.snr_db is not None])
            # A share holds from the SNR it is of upwards.
            reached = 100 * np.arange(1, len(levels) + 1) / len(rows)
            x, y = np.concatenate(([low], levels, [high])), np.concatenate(([0.0], reached, reached[-1:]))
            if len(levels):
                axes.step(x, y, where="post", label=_name(setting), **_style(setting))
        axes.set(xlabel="SNR of the perturbation, dB (lower is stronger)", ylabel="certified accuracy, %")
        axes.set(ylim=(0, 101), xlim=(high, low))
        _caption(figure, group)
        return _svg(figure)


def same_radius(rows_of: Mapping[str, Sequence[CertificateRow]]) -> str:
    """Why raw radii mislead: one setting; by data set the radii, the SNRs they mean and the radii in the files."""
    certified = {name: [row for row in rows if row.radius is not None] for name, rows in rows_of.items()}
    panels: dict[str, Callable[[CertificateRow], float | None]] = {
        "radius R, after the gain": lambda row: row.radius,
        "SNR_cert, dB": lambda row: row.snr_db,
        "radius in the file's samples, 1e-6 of full scale": lambda row: row.file_radius and 1e6 * row.file_radius,
    }
    with mpl.rc_context(PLAIN):
        figure = Figure(figsize=(10.5, 3.0), layout="constrained")
        for axes, (label, value) in zip(figure.subplots(1, 3), panels.items(), strict=True):
            values = {name: [v for row in rows if (v := value(row))] for name, rows in certified.items()}
            every = [v for of_one in values.values() for v in of_one]
            logarithmic = "file" in label and len(set(every)) > 1
            low, high = min(every, default=1.0), max(every, default=1.0)
            bins = np.geomspace(low, high, 31) if logarithmic else np.linspace(0.98 * low, 1.02 * high, 61)
            for (name, of_one), colour in zip(values.items(), list(COLOURS.values())[::3], strict=False):
                shares = [100 / max(1, len(of_one))] * len(of_one)
                axes.hist(of_one, bins=bins, weights=shares, histtype="step", linewidth=1.6, color=colour, label=name)
            axes.set(xlabel=label)
            if logarithmic:
                axes.set_xscale("log")
        figure.axes[0].set(ylabel="certified clips, %")
        figure.axes[0].legend(frameon=False, loc="upper left")
        return _svg(figure)


def confusion_of(rows: Sequence[CertificateRow], classes: Sequence[str]) -> str:
    """What the smoothed classifier answers, by true class; the last column are abstentions."""
    counts = np.array(confusion(rows, classes))
    with mpl.rc_context(PLAIN):
        size = 1.8 + 0.36 * len(classes)
        figure = Figure(figsize=(size + 0.6, size), layout="constrained")
        axes = figure.subplots()
        axes.imshow(100 * counts / counts.sum(axis=1, keepdims=True).clip(1), cmap="Blues", vmin=0, vmax=100)
        for (true, answered), count in np.ndenumerate(counts):
            if count:
                dark = count > 0.5 * counts[true].sum()
                axes.text(answered, true, str(count), ha="center", va="center", fontsize=8, color="w" if dark else "k")
        axes.set_xticks(range(len(classes) + 1), [*classes, ABSTAINED], rotation=60, ha="right")
        axes.set_yticks(range(len(classes)), list(classes))
        axes.set(xlabel="smoothed answer", ylabel="true class")
        axes.spines[:].set_visible(False)
        return _svg(figure)


def training_noise(accuracies: Mapping[str, Mapping[float, float]]) -> str:
    """Positive-radius accuracy against sigma, one line for each way of training."""
    sigmas = sorted({sigma for by_sigma in accuracies.values() for sigma in by_sigma})
    with mpl.rc_context(PLAIN):
        figure = Figure(figsize=(6.0, 3.2), layout="constrained")
        axes = figure.subplots()
        for name, by_sigma in accuracies.items():
            known = sorted(by_sigma)
            axes.plot([sigmas.index(s) for s in known], [by_sigma[s] for s in known], "o-", label=name)
        axes.set_xticks(range(len(sigmas)), [f"{sigma:g}" for sigma in sigmas])
        axes.set(xlabel="sigma certified at (0: clean accuracy)", ylabel="accuracy, %")
        axes.legend(title="training noise", frameon=False, fontsize=8)
        return _svg(figure)


def _waves(group: Group) -> list[str]:
    return [setting for setting in group.settings if not setting.startswith("feature")]


def _features(group: Group) -> list[str]:
    return [setting for setting in group.settings if setting.startswith("feature")]


def _name(setting: str) -> str:
    kind, _, sigma = setting.partition(":")
    return f"{kind}, sigma {sigma}"


def _style(setting: str) -> dict[str, Any]:
    kind, _, sigma = setting.partition(":")
    depth = {"0.0025": 0.35, "0.005": 0.55, "0.01": 0.75}.get(sigma, 1.0) if kind == "waveform" else 1.0
    return {"color": COLOURS[kind], "alpha": depth, "linestyle": "-" if kind in {"waveform", "feature"} else "--"}


def _caption(figure: Figure, group: Group) -> None:
    """What was certified, above; what is which line, below, where no line passes."""
    clips, models = (len({getattr(row, of) for row in group.certificates}) for of in ("clip", "model_digest"))
    votes = " and ".join(str(n) for n in sorted({row.n for row in group.certificates}))
    trained = f"{models} model{'s' if models > 1 else ''}, training noise {group.noise}"
    figure.suptitle(f"{group.dataset}: {clips} clips, {trained}, n = {votes}", fontsize=9)
    lines = [line for axes in figure.axes for line in axes.get_lines()]
    if lines:
        figure.legend(handles=lines, loc="outside lower center", ncols=3, frameon=False, fontsize=8)


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return text.getvalue()
