"""The tables of the report, each with the paper's figures beside ours and a line that says what stands behind it."""

from collections.abc import Iterable, Iterator

import paper
import summary
from datasets import DATASETS
from rows import CertificateRow
from soundproof.stats.rounding import format_down
from summary import Group
from wording import (
    NOT_RUN,
    at_most,
    budget,
    clips_per_run,
    devices,
    evaluation_commands,
    percent,
    run_folders,
    runs,
    snr,
    source,
    table,
    training_command,
)

PAPER_SIGMAS = (0.0025, 0.005, 0.01, 0.02)
AS_ABOVE = "`models/evaluate.py` as above"
WAVEFORM = (
    "sigma",
    "pos.-radius acc. %",
    "paper",
    "median R",
    "of the ceiling",
    "paper R",
    "median SNR dB",
    "paper",
    "unanimous",
    "abstained",
)


def what_was_run(groups: list[Group]) -> Iterator[str]:
    """Every group that has certificates, and the commands that it came from."""
    certified = [group for group in groups if group.certificates]
    yield table(
        ("data", "training noise", "runs", "test clips certified in each run", "budget", "device"),
        [
            (
                DATASETS[group.dataset].title,
                group.noise,
                runs(group),
                clips_per_run(group),
                budget(group.certificates),
                devices(group.certificates),
            )
            for group in certified
        ],
    )
    commands: list[str] = []
    for group in certified:
        commands += filter(None, [training_command(group)])
        commands += evaluation_commands(group, run_folders(group))
    commands.append("python models/report.py models/results/*.jsonl")
    yield "\n".join(f"    {command}" for command in commands)


def waveform(group: Group) -> Iterator[str]:
    """Table 1: noise on the waveform, gain fixed."""
    counterpart = paper.COUNTERPART[group.dataset]
    yield f"{DATASETS[group.dataset].title}; the paper: {counterpart}."
    yield table(WAVEFORM, [_at_sigma(group, sigma, paper.WAVEFORM[counterpart][sigma]) for sigma in PAPER_SIGMAS])
    yield from _behind(row for sigma in PAPER_SIGMAS for row in group.at(f"waveform:{sigma:g}"))
    silence = DATASETS[group.dataset].silence
    heard = {s: [row for row in group.at(f"waveform:{s:g}") if row.label != silence] for s in PAPER_SIGMAS}
    without = ", ".join(f"{percent(found)} at sigma {sigma:g}" for sigma, found in heard.items() if found)
    if silence and without:
        yield (
            f"`{silence}` is optimistic: its test clips are cut from recordings that training heard other parts of. "
            f"Positive-radius accuracy without it, %: {without}."
        )


def _at_sigma(group: Group, sigma: float, theirs: paper.Certified) -> tuple[str, ...]:
    accuracy, radius, snr_db = f"{theirs.accuracy:.2f} ± {theirs.spread:.2f}", f"{theirs.radius:g}", f"{theirs.snr_db}"
    found = group.at(f"waveform:{sigma:g}")
    if not found:
        return f"{sigma:g}", NOT_RUN, accuracy, "", "", radius, "", snr_db, "", ""
    median = summary.median_radius(found)
    return (
        f"{sigma:g}",
        percent(found),
        accuracy,
        format_down(median, 5),
        at_most(100 * median / found[0].ceiling),
        radius,
        snr(found),
        snr_db,
        at_most(summary.unanimous(found)),
        f"{summary.abstained(found):.1f} %",
    )


def representations(group: Group) -> Iterator[str]:
    """Table 2: noise on features; clipping after the noise."""
    counterpart = paper.COUNTERPART[group.dataset]
    theirs = {f"waveform:{sigma:g}": printed.accuracy for sigma, printed in paper.WAVEFORM[counterpart].items()}
    theirs |= {"feature:0.02": paper.FEATURE[counterpart], "clip:0.0025": paper.CLIP[counterpart]}
    compared = (
        ("log-mel, sigma 0.02", "feature:0.02", "waveform:0.02"),
        ("clip after noise, sigma 0.0025", "clip:0.0025", "waveform:0.0025"),
    )
    yield f"{DATASETS[group.dataset].title}; the paper: {counterpart}. Positive-radius accuracy, %."
    yield table(
        ("", "here", "waveform, same sigma", "paper", "paper, waveform"),
        [
            (name, percent(group.at(s)), percent(group.at(beside)), f"{theirs[s]:.2f}", f"{theirs[beside]:.2f}")
            for name, s, beside in compared
        ],
    )
    yield from _behind(row for _, *settings in compared for setting in settings for row in group.at(setting))


def geometry(group: Group) -> Iterator[str]:
    """Table 3: what a transform after the noise does to the perturbation."""
    counterpart = paper.COUNTERPART[group.dataset]
    found = group.geometry_at(paper.GEOMETRY_SIGMA)
    yield f"{DATASETS[group.dataset].title}, sigma {paper.GEOMETRY_SIGMA:g}; the paper: {counterpart}."
    if not found:
        yield f"{NOT_RUN.capitalize()}."
        return
    lines = []
    for transform in found[0].transforms:
        d_geom, ratio = summary.geometry(found, transform)
        printed = paper.GEOMETRY[counterpart].get(transform)
        theirs = [f"{value:.6g}" for value in printed] if printed else ["not given", "not given"]
        lines.append((transform, f"{d_geom:.3g}", theirs[0], f"{ratio:.6g}", theirs[1]))
    yield table(("transform", "D_geom", "paper", "effective norm ratio", "paper"), lines)
    clips, models = len({row.clip for row in found}), len({row.model_digest for row in found})
    yield (
        f"*{group.dataset}: {clips} test clips, {models} model{'s' if models > 1 else ''}, {found[0].samples} noise "
        f"samples each and no votes; {devices(found)}; {AS_ABOVE}.*"
    )


def training_noise(ways: list[Group]) -> Iterator[str]:
    """One data set's models by their training noise: the waveform contract, and clean accuracy on the same clips."""
    sigmas = [sigma for sigma in PAPER_SIGMAS if any(group.at(f"waveform:{sigma:g}") for group in ways)]
    yield (
        f"{DATASETS[ways[0].dataset].title}: accuracy of the base classifier on the clips that were certified, and "
        "positive-radius accuracy of the waveform contract, %."
    )
    yield table(
        ("training noise", "runs", "clean", *(f"sigma {sigma:g}" for sigma in sigmas)),
        [
            (
                group.noise,
                runs(group),
                percent(group.clean_of_certified),
                *(percent(group.at(f"waveform:{sigma:g}")) for sigma in sigmas),
            )
            for group in ways
        ],
    )
    yield from _behind(row for group in ways for sigma in sigmas for row in group.at(f"waveform:{sigma:g}"))


def _behind(rows: Iterable[CertificateRow]) -> Iterator[str]:
    found = list(rows)
    if found:
        yield source(found, AS_ABOVE)


def by_class(group: Group, settings: list[str]) -> str:
    shares = [summary.by_class(group.at(setting)) for setting in settings]
    return table(
        ("class", *settings),
        [
            (label, *(f"{of[label]:.0f}" if label in of else "no clip" for of in shares))
            for label in DATASETS[group.dataset].classes
        ],
    )
