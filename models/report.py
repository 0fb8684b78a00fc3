"""The paper's tables for our models, beside the paper's own: docs/reproduction.md, its figures, and one HTML file.

    python models/report.py models/results/*.jsonl

The rows are what `models/evaluate.py` wrote. Every number comes from them but the paper's (models/paper.py); the
reading at the end is models/results/reading.md.
"""

import argparse
import base64
import html
import re
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt

import charts
import findings
import paper
import rows
import summary
import tables
from command import told
from datasets import DATASETS
from summary import Group
from wording import NOT_RUN, source, table

TITLE = "Reproducing arXiv:2606.04210"
PAPER_NOISE = (0.005,)
SAME_RADIUS = "waveform:0.02"
CLASS_SETTINGS = ("clip:0.0025", "feature:0.02", "waveform:0.0025", "waveform:0.02")
READING = Path(__file__).parent / "results" / "reading.md"
# An image on its own line: ![what it shows](its file)
IMAGE = re.compile(r'<img src="([^"]+)" alt="([^"]*)" ?/?>')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, nargs="+")
    parser.add_argument("--n", type=int, help="of certificates: those of so many votes only")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of reproduction.md and its figures/")
    args = parser.parse_args()
    with told(parser):
        groups = summary.groups(rows.read(args.rows), args.n)
    Report(args.out).write(groups)
    for name in ("reproduction.md", "reproduction.html"):
        print(args.out / name)


class Report:
    """Writes reproduction.md and reproduction.html into `folder`, and the figures into its figures/."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, groups: list[Group]) -> None:
        (self._folder / "figures").mkdir(parents=True, exist_ok=True)
        text = "\n\n".join(self._parts(groups)) + "\n"
        (self._folder / "reproduction.md").write_text(text)
        (self._folder / "reproduction.html").write_text(_page(text, self._folder))

    def _parts(self, groups: list[Group]) -> Iterator[str]:
        main = [group for group in groups if group.noise_sigma == PAPER_NOISE and group.certificates]
        nothing = [] if main else [f"{NOT_RUN.capitalize()}: no model trained with the paper's noise was certified."]
        yield f"# {TITLE}"
        yield INTRODUCTION
        yield "## What was run"
        yield from tables.what_was_run(groups)
        for title, part in (
            ("Table 1: noise on the waveform, gain fixed", tables.waveform),
            ("Table 2: noise on features; clipping after the noise", tables.representations),
            ("Table 3: what a transform after the noise does to the perturbation", tables.geometry),
        ):
            yield f"## {title}"
            yield from nothing
            for group in main:
                yield from part(group)
        yield "## Which findings hold here"
        yield from nothing
        if main:
            yield table(("the paper's finding", "the paper", "here", "verdict"), findings.table(main))
        if READING.is_file():
            yield READING.read_text().strip()

        yield "## Certified accuracy"
        yield from nothing
        for group in main:
            yield from self._curves(group)
        yield "## Why a radius alone misleads"
        yield from self._same_radius(main)
        yield "## What training at the certified sigma gains"
        yield from self._training_noise(groups)
        yield "## By class"
        yield from nothing
        for group in main:
            yield from self._classes(group)

    def _curves(self, group: Group) -> Iterator[str]:
        name = DATASETS[group.dataset].title
        yield self._figure(f"{group.dataset}-radius", charts.accuracy_by_radius(group), f"{name}: by radius")
        yield self._figure(f"{group.dataset}-snr", charts.accuracy_by_snr(group), f"{name}: by SNR")
        yield source(group.certificates, tables.AS_ABOVE)

    def _same_radius(self, main: list[Group]) -> Iterator[str]:
        same = {group.dataset: group.at(SAME_RADIUS) for group in main if group.at(SAME_RADIUS)}
        if not any(row.radius for found in same.values() for row in found):
            yield f"{NOT_RUN.capitalize()}."
            return
        yield self._figure("same-radius", charts.same_radius(same), "The same setting: radii, SNRs, radii in the files")
        medians = (
            f"{name} {100 * summary.median_radius(found) / found[0].ceiling:.1f} %" for name, found in same.items()
        )
        yield f"One setting, {SAME_RADIUS}; the median radius in percent of the ceiling: {', '.join(medians)}."
        yield SAME_RADIUS_TEXT
        yield from (source(found, tables.AS_ABOVE) for found in same.values())

    def _training_noise(self, groups: list[Group]) -> Iterator[str]:
        told = False
        for dataset in sorted({group.dataset for group in groups}):
            ways = [group for group in groups if group.dataset == dataset and group.certificates]
            if len(ways) < 2:
                continue
            told = True
            yield from tables.training_noise(ways)
            waves = {group.noise: {s: group.at(f"waveform:{s:g}") for s in tables.PAPER_SIGMAS} for group in ways}
            curves = {
                noise: {sigma: summary.share(found).percent for sigma, found in at.items() if found}
                for noise, at in waves.items()
            }
            for group in ways:
                if group.clean_of_certified:
                    curves[group.noise][0.0] = summary.share(group.clean_of_certified).percent
            yield self._figure(f"{dataset}-training-noise", charts.training_noise(curves), "By training noise")
        if not told:
            yield f"{NOT_RUN.capitalize()}: one way of training."

    def _classes(self, group: Group) -> Iterator[str]:
        settings = [setting for setting in group.settings if setting in CLASS_SETTINGS]
        yield f"{DATASETS[group.dataset].title}: positive-radius accuracy by class, %."
        if not settings:
            yield f"{NOT_RUN.capitalize()}."
            return
        yield tables.by_class(group, settings)
        shown = group.at(settings[-1])
        picture = charts.confusion_of(shown, DATASETS[group.dataset].classes)
        yield self._figure(
            f"{group.dataset}-confusion", picture, f"Answers of the smoothed classifier, {settings[-1]}; counts of rows"
        )
        yield source(shown, tables.AS_ABOVE)

    def _figure(self, name: str, svg: str, shows: str) -> str:
        path = Path("figures") / f"reproduction-{name}.svg"
        (self._folder / path).write_text(svg)
        return f"![{shows}]({path})"


INTRODUCTION = f"""\
"Representation Matters in Randomized Smoothing for Audio Classification" (arXiv:2606.04210) reports three tables. Here
they are for models trained by `models/train.py` with the paper's network, optimizer, schedule and training noise
(0.005), beside the paper's own figures. Certificates are the service's own: `models/evaluate.py` runs the code that
answers `POST /certify`, so that any row can be had again from the service with `seed=1`.

Positive-radius accuracy is the share of test clips whose smoothed prediction is right with a radius above 0; an
abstention counts as wrong, and in a median as radius 0, which is no SNR. `±` is the sample standard deviation over the
models that are named (of every seed and fold); it does not say how much hangs on which clips were drawn. The paper's
figures are for n = {paper.N:,}, alpha = {paper.ALPHA:g}, the whole test splits and three seeds, of ESC-50 also averaged
over the folds; what its `±` is taken over it does not say. Where n differs, so does the *ceiling*, the radius of n
unanimous votes: radii are therefore also given as a share of it."""

SAME_RADIUS_TEXT = """\
One setting has one ceiling, whatever the data, and radii pile up there: they look alike. But a clip of 5 s at RMS 1 has
a norm of 282.8 and one of 1 s has 126.5, so that the same radius is an SNR 7 dB apart; and in the samples that were
uploaded, before the gain, it differs with every file's level. A radius is to be compared only where the contract, the
length and the gain are the same; that is why a certificate names them."""


def _page(text: str, folder: Path) -> str:
    """One self-contained HTML file: figures are inside."""

    def inside(image: re.Match[str]) -> str:
        content = base64.b64encode((folder / html.unescape(image[1])).read_bytes()).decode()
        return f'<img src="data:image/svg+xml;base64,{content}" alt="{image[2]}">'

    body = IMAGE.sub(inside, MarkdownIt("commonmark").enable("table").render(text))
    return PAGE.replace("TITLE", TITLE).replace("BODY", body)


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TITLE</title>
<style>
body { font: 16px/1.55 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1d2430; }
table { border-collapse: collapse; display: block; overflow-x: auto; font-size: 14px; margin: 1rem 0; }
th, td { padding: 0.3rem 0.7rem; border-bottom: 1px solid #d8dee9; text-align: right; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; }
pre { background: #f3f5f8; padding: 0.8rem; overflow-x: auto; font-size: 13px; }
em { color: #57606a; }
</style>
<body>
BODY
</body>
</html>
"""

if __name__ == "__main__":
    main()
