"""The paper's findings as statements about rows: each with the paper's figure, ours, and whether it holds here."""

from collections.abc import Iterator

import paper
import summary
from soundproof.stats.rounding import format_down
from summary import Group

SPEECH, SOUNDS = paper.SPEECH, paper.SOUNDS
# A median within this share of the ceiling is the ceiling: radii are rounded down.
AT_CEILING = 1 - 1e-9
# Differences of accuracy below this many points say nothing: the spread over runs, and which clips were drawn, explain
# as much. What clipping costs may differ from the paper's by three times that.
POINTS = 2.0


def table(groups: list[Group]) -> list[tuple[str, str, str, str]]:
    """(finding, the paper, here, verdict), for every group that has the rows it needs."""
    return [line for group in groups for line in _of(group, paper.COUNTERPART[group.dataset])]


def _of(group: Group, counterpart: str) -> Iterator[tuple[str, str, str, str]]:
    printed = paper.WAVEFORM[counterpart]
    waves = {s: group.at(f"waveform:{s:g}") for s in printed if group.at(f"waveform:{s:g}")}
    if waves:
        reached = {sigma: summary.median_radius(rows) / rows[0].ceiling for sigma, rows in waves.items()}
        yield (
            f"{group.dataset}: the median radius is the ceiling, at every sigma that was run",
            "at all four",
            ", ".join(f"{format_down(min(share, 1.0), 3)} of it at {sigma:g}" for sigma, share in reached.items()),
            _verdict(all(share >= AT_CEILING for share in reached.values())),
        )
    if 0.0025 in waves and 0.02 in waves:
        low, high = summary.share(waves[0.0025]).percent, summary.share(waves[0.02]).percent
        theirs = printed[0.0025].accuracy - printed[0.02].accuracy
        yield (
            f"{group.dataset}: eight times the noise costs little accuracy",
            f"{theirs:.1f} points from sigma 0.0025 to 0.02",
            f"{low - high:.1f} points",
            _verdict(low - high <= theirs + POINTS),
        )
    if group.at("feature:0.02") and 0.02 in waves:
        ours = summary.share(group.at("feature:0.02")).percent - summary.share(waves[0.02]).percent
        theirs = paper.FEATURE[counterpart] - printed[0.02].accuracy
        above = "above" if theirs > 0 else "below"
        yield (
            f"{group.dataset}: log-mel {above} waveform at sigma 0.02",
            f"{theirs:+.1f} points",
            f"{ours:+.1f} points",
            "too close to tell" if abs(ours) < POINTS else _verdict((ours > 0) == (theirs > 0)),
        )
    if group.at("clip:0.0025") and 0.0025 in waves:
        ours = summary.share(waves[0.0025]).percent - summary.share(group.at("clip:0.0025")).percent
        theirs = printed[0.0025].accuracy - paper.CLIP[counterpart]
        yield (
            f"{group.dataset}: clipping after the noise costs 12 to 15 points at sigma 0.0025",
            f"{theirs:.1f} points",
            f"{ours:.1f} points",
            _verdict(theirs - 3 * POINTS <= ours <= theirs + 3 * POINTS),
        )
    shapes = group.geometry_at(paper.GEOMETRY_SIGMA)
    if shapes:
        ours_of = {t: summary.geometry(shapes, t)[0] for t in ("fixed", "rms", "clip", "peak")}
        theirs_of = {t: d_geom for t, (d_geom, _) in paper.GEOMETRY[counterpart].items()}
        ratios = [max(ours_of[t] / theirs_of[t], theirs_of[t] / ours_of[t]) for t in ours_of]
        yield (
            f"{group.dataset}: D_geom grows by orders of magnitude from fixed over rms to clip and peak",
            ", ".join(f"{d_geom:.2g}" for d_geom in theirs_of.values()),
            ", ".join(f"{d_geom:.2g}" for d_geom in ours_of.values()) + f" (each within a factor {max(ratios):.2f})",
            _verdict(ours_of["fixed"] < 1e-5 < ours_of["rms"] * 10 and min(ours_of["clip"], ours_of["peak"]) > 10),
        )


def _verdict(holds: bool) -> str:
    return "holds" if holds else "does not hold"
