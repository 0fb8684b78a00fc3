"""Write CARD.md, and what was measured into model.json, from the rows of an evaluation.

    python models/card.py models/esc-10 models/results/esc-10.jsonl

The measured figures are this model's own rows. Where its data set is cross-validated, the card also gives those of the
models that held out the other folds.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import rows
import summary
from command import told
from datasets import DATASETS, DataSet
from rows import CertificateRow, CleanRow
from soundproof.nets.manifest import CARD, Measured, ModelManifest, read_manifest, write_manifest
from soundproof.stats.rounding import format_down
from summary import Group
from wording import NOT_RUN, budget, devices, evaluation_commands, percent, snr, table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("rows", type=Path, nargs="+")
    parser.add_argument("--n", type=int, help="of certificates: those of so many votes only")
    args = parser.parse_args()
    with told(parser):
        manifest = read_manifest(args.folder)
        every = list(rows.read(args.rows))
        own, group = groups_of(manifest, every, args.n)
        found = measured(own)
    manifest = write_manifest(args.folder, manifest.model_copy(update={"measured": found}))
    (args.folder / CARD).write_text(card(manifest, own, group))
    print(args.folder / CARD)


def groups_of(manifest: ModelManifest, every: Sequence[rows.Row], n: int | None = None) -> tuple[Group, Group]:
    """The model's own rows, and those of all models of its data set and training noise. ValueError says what is
    missing for a card."""
    which = f"of {manifest.name}, digest {manifest.digest[:12]}..."
    if manifest.training is None:
        raise ValueError(f"nobody said how the weights {which} were trained, so there is no card to write")
    own = summary.groups((row for row in every if row.model_digest == manifest.digest), n)
    if not own:
        raise ValueError(f"there is no row {which}: evaluate it first, or name the file that its rows are in")
    if len(own) > 1:
        raise ValueError(f"the rows {which} are of several data sets: {', '.join(group.dataset for group in own)}")
    if not own[0].clean or not list(_waveform(own[0])):
        raise ValueError(f"the rows {which} lack the clean answers or the waveform contract")
    [group] = [
        group
        for group in summary.groups(every, n)
        if (group.dataset, group.noise_sigma) == (own[0].dataset, own[0].noise_sigma)
    ]
    return own[0], group


def measured(own: Group) -> Measured:
    """What model.json says of the model's own rows. ValueError where its settings had different budgets."""
    waves = list(_waveform(own))
    budgets = {(row.n0, row.n, row.alpha) for _, found in waves for row in found}
    if len(budgets) > 1:
        raise ValueError(f"the waveform contract was run with {budget([r for _, f in waves for r in f])}: say which n")
    [(n0, n, alpha)] = budgets
    fold = own.clean[0].fold
    return Measured(
        split="test" if fold is None else f"fold {fold}",
        clean_accuracy=round(summary.share(own.clean).percent / 100, 4),
        clean_clips=len(own.clean),
        positive_radius_accuracy={f"{s:g}": round(summary.share(found).percent / 100, 4) for s, found in waves},
        certified_clips=max(len(found) for _, found in waves),
        n0=n0,
        n=n,
        alpha=alpha,
        command="; ".join(evaluation_commands(own, f"models/{own.clean[0].model}")),
    )


def card(manifest: ModelManifest, own: Group, group: Group) -> str:
    """What the model is, what it was measured to do, and what not to read into it."""
    data = DATASETS[own.dataset]
    return "\n\n".join(_parts(manifest, data, own, group)) + "\n"


def _parts(manifest: ModelManifest, data: DataSet, own: Group, group: Group) -> Iterator[str]:
    training, found = manifest.training, manifest.measured
    assert training is not None
    assert found is not None
    held_out = "" if training.fold is None else f", fold {training.fold} held out"
    yield f"# {manifest.name}, version {manifest.version}"
    yield (
        f"The log-mel CNN of arXiv:2606.04210 for {len(manifest.classes)} classes: {', '.join(manifest.classes)}.\n"
        f"Weights: {manifest.licence}. Trained with the paper's optimizer and schedule ({training.epochs} epochs, "
        f"AdamW,\ncosine decay), time shifts, masking and {_noise(training.noise_sigma)}.\n"
        "Not trained for noise on features."
    )
    yield "## Data"
    yield f"{manifest.data}; {manifest.data_licence}. {training.clips} training clips{held_out}, seed {training.seed}."
    if own.dataset == "speech-commands-12" and training.clips < OFFICIAL_SPEECH_CLIPS:
        yield PART_OF_SPEECH
    yield NOTES[own.dataset]
    yield "## Measured"
    commands = found.command.replace("; ", "\n    ")
    yield f"On {devices(own.certificates)}, with the service's own code, by\n\n    {commands}"
    yield (
        f"Clean accuracy of the base classifier on {found.split}: **{100 * found.clean_accuracy:.1f} %** of "
        f"{found.clean_clips} clips{_without_silence(own.clean, data)}."
    )
    yield (
        f"Certificates: {budget(own.certificates)}, {_clips(own)}.\nPositive-radius accuracy is the share whose "
        "smoothed prediction is right with a positive\nradius; an abstention counts as radius 0. Where the median "
        "radius is the ceiling, the radius of unanimous votes,\nmore votes would raise it: it shows the number of "
        "votes, not where the model breaks."
    )
    yield _certificates(own, data)
    models = len({row.model_digest for row in group.clean})
    if data.folds and models > 1:
        folds = len({row.fold for row in group.clean})
        yield (
            f"{models} models like this one, {folds} of the {len(data.folds)} folds held out, each tested with clips "
            "it did not see;\nmean ± sample standard deviation over the models:"
        )
        yield _certificates(group, data)
        yield _folds(group)
    together = data.folds and models > 1
    yield f"By class, positive-radius accuracy in percent, the waveform contract{', all of them:' if together else ':'}"
    yield _classes(group if together else own, manifest.classes)
    if own.geometry:
        first = own.geometry[0]
        shapes = own.geometry_at(first.sigma)
        yield (
            f"What a transform after the noise does to the perturbation, at sigma {first.sigma:g}: {len(shapes)} clips,"
            f"\n{first.samples} noise samples each:"
        )
        lines = []
        for transform in first.transforms:
            d_geom, ratio = summary.geometry(shapes, transform)
            lines.append((transform, f"{d_geom:.3g}", f"{ratio:.6g}"))
        yield table(("transform", "D_geom", "effective norm ratio"), lines)
    yield "## Not for"
    yield NOT_FOR[own.dataset]


def _certificates(group: Group, data: DataSet) -> str:
    head = ["contract and sigma", "clips", "positive-radius accuracy %", "median radius", "ceiling", "median SNR dB"]
    if data.silence:
        head.insert(3, f"without {data.silence}")
    lines = []
    for setting in group.settings:
        found = group.at(setting)
        line = [
            setting.replace(":", ", "),
            str(len(found)),
            percent(found),
            format_down(summary.median_radius(found), 5),
            format_down(found[0].ceiling, 5),
            snr(found),
        ]
        if data.silence:
            line.insert(3, percent([row for row in found if row.label != data.silence]))
        lines.append(line)
    return table(head, lines)


def _folds(group: Group) -> str:
    folds = sorted({row.fold for row in group.clean if row.fold is not None})
    waves = list(_waveform(group))
    return table(
        ("fold", "clean accuracy %", *(f"sigma {sigma:g}" for sigma, _ in waves)),
        [
            (
                str(fold),
                percent([row for row in group.clean if row.fold == fold]),
                *(percent([row for row in found if row.fold == fold]) for _, found in waves),
            )
            for fold in folds
        ]
        + [("mean", percent(group.clean), *(percent(found) for _, found in waves))],
    )


def _classes(group: Group, classes: Iterable[str]) -> str:
    shares = {sigma: summary.by_class(found) for sigma, found in _waveform(group)}
    return table(
        ("class", *(f"sigma {sigma:g}" for sigma in shares)),
        [
            (label, *(f"{share[label]:.0f}" if label in share else NOT_RUN for share in shares.values()))
            for label in classes
        ],
    )


def _waveform(group: Group) -> Iterator[tuple[float, tuple[CertificateRow, ...]]]:
    """(sigma, rows) of the waveform contract."""
    for setting in group.settings:
        kind, _, sigma = setting.partition(":")
        if kind == "waveform":
            yield float(sigma), group.at(setting)


def _clips(own: Group) -> str:
    """ "240 test clips, 20 of each class" """
    counts = {setting: Counter(row.label for row in own.at(setting)) for setting in own.settings}
    if len({tuple(sorted(count.items())) for count in counts.values()}) > 1:
        return "test clips as many as stand below"
    [count, *_] = counts.values()
    even = f", {max(count.values())} of each class" if len(set(count.values())) == 1 else ""
    return f"{count.total()} test clips{even}"


def _without_silence(clean: Sequence[CleanRow], data: DataSet) -> str:
    heard = [row for row in clean if row.label != data.silence]
    if not data.silence or not heard:
        return ""
    return f" ({summary.share(heard).percent:.1f} % of the {len(heard)} that are not silence)"


def _noise(noise_sigma: tuple[float, ...]) -> str:
    if not noise_sigma:
        return "no noise"
    sigmas = ", ".join(f"{sigma:g}" for sigma in noise_sigma)
    each = " (each clip draws one)" if len(noise_sigma) > 1 else ""
    return f"Gaussian waveform noise of standard deviation {sigmas}{each}"


ESC_NOTE = """\
Clips of one source recording share a fold, so no recording is heard in training and in testing. There is no validation
part: nothing was chosen by the held-out fold."""
# The official archive has about 37,000 training clips of this task, with silences and unknown words.
OFFICIAL_SPEECH_CLIPS = 30_000
PART_OF_SPEECH = """\
**Not comparable with published Speech Commands figures**: the clips are a part of the full set, divided differently.
Some of its training clips are in the official test set: do not measure it there. Train on the full official set with

    python models/train.py models/recipes/speech-commands-12.toml FOLDER_OF_THE_OFFICIAL_ARCHIVE"""
NOTES = {
    "speech-commands-12": """\
Training, validation and test speakers are disjoint.

**Accuracy on `_silence_` is optimistic**: its test clips are cut from the same six long recordings as its training
clips. Figures without it stand beside.""",
    "esc-10": ESC_NOTE + " Clips are CC BY 3.0, from freesound.org, attributed in the data set.",
    "esc-50": ESC_NOTE + " Clips are CC BY-NC 3.0: a model of them is not for commercial use.",
}
NOT_FOR_SOUNDS = """\
Alarms anyone relies on; sounds outside the list, for which it has no class; mixtures. Of clips longer than 5 s only the
middle is heard."""
NOT_FOR = {
    "speech-commands-12": """\
Deciding anything about people; words outside the list. Of clips longer than a second only the middle is heard.""",
    "esc-10": NOT_FOR_SOUNDS,
    "esc-50": NOT_FOR_SOUNDS,
}

if __name__ == "__main__":
    main()
