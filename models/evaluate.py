"""Certify a test set with the service's own smoothing code: one row per clip and setting.

    python models/evaluate.py models/speech-commands-12 runs/speech-commands-12/noise-0.005-* --data DATA --per-class 20
    python models/evaluate.py runs/esc-10/* --data DATA --per-class 5 --n 1000 --jobs 2

Every model meets the clips of its own test split or held-out fold: all of them without noise, and `--per-class` of
each class (default: all) in each of the SETTINGS. Rows are appended to models/results/<model's name>.jsonl, and those
that are there already are not computed again: an interrupted evaluation goes on where it was.

A setting is `kind:sigma`. `waveform` and `feature` are those contracts; `fixed`, `rms`, `clip`, `peak` and `peak_clean`
the post-processed contract with that transform; `geometry` measures what every transform does to the perturbation,
without votes. Noise seed 1 with the clip's own stream: the service gives the same counts for the same file with seed=1.
"""

import argparse
import itertools
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, wait
from pathlib import Path

import torch
from tqdm import tqdm

import rows
import workers
from clips import Clip, balanced
from command import count, told
from datasets import DATASETS, DataSet
from measurement import ALPHA, CLEAN, GEOMETRY, KINDS, N0, Task, compute, plan_of
from soundproof.nets.device import check_device
from soundproof.nets.manifest import ModelManifest, read_manifest

# arXiv:2606.04210, Tables 1 to 3.
SETTINGS = (
    "geometry:0.0025",
    "waveform:0.0025",
    "waveform:0.02",
    "feature:0.02",
    "clip:0.0025",
    "waveform:0.005",
    "waveform:0.01",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="model folders of one data set")
    parser.add_argument("--data", type=Path, required=True, help="the data set's folder")
    parser.add_argument("--dataset", choices=DATASETS, help="default: the one of the models' name")
    parser.add_argument("--settings", default=",".join(SETTINGS), help=f"default: {','.join(SETTINGS)}")
    parser.add_argument("--per-class", type=count, help="clips of each class to certify (default: all)")
    parser.add_argument("--n", type=count, default=10_000, help="estimation votes")
    parser.add_argument("--device", default=_devices(), help="or several by commas, which share the work")
    parser.add_argument("--jobs", type=count, default=1, help="processes on each device; on a CPU they share its cores")
    parser.add_argument("--out", type=Path, help="file of rows (default: models/results/<model's name>.jsonl)")
    args = parser.parse_args()

    with told(parser):
        settings = [_setting(setting) for setting in args.settings.split(",")]
        manifests = {folder: read_manifest(folder) for folder in args.folders}
        names = {manifest.name for manifest in manifests.values()}
        if len(names) > 1:
            raise ValueError(f"these are models of different names: {', '.join(sorted(names))}")
        [name] = names
        if (args.dataset or name) not in DATASETS:
            raise ValueError(f"{name} is no data set: say with --dataset which one to take")
        dataset = DATASETS[args.dataset or name]
        for folder, manifest in manifests.items():
            _check(folder, manifest, dataset, settings, args.n)
        every = dataset.read(args.data)
        devices = args.device.split(",") * args.jobs
        for device in set(devices):
            check_device(device)

    out: Path = args.out or Path("models") / "results" / f"{name}.jsonl"
    with rows.appending(out) as add:
        done = {row.key for row in rows.read([out])}
        asked = {  # by key: two folders may hold one model
            _key(manifest, clip, setting, args.n): Task(folder, clip, dataset.name, setting, args.n)
            for setting, (folder, manifest) in itertools.product((CLEAN, *settings), manifests.items())
            for clip in _clips(dataset, every, manifest, None if setting == CLEAN else args.per_class)
        }
        tasks = [task for key, task in asked.items() if key not in done]
        threads = max(1, (os.cpu_count() or 1) // len(devices))
        with workers.pool(devices, threads) as pool, tqdm(total=len(tasks), unit="row") as bar:
            for row in _computed(pool, tasks, ahead=4 * len(devices)):
                bar.set_description(f"{row.setting} {row.noise_sigma} seed {row.seed} fold {row.fold}")
                bar.update()
                add(row)


def _check(folder: Path, manifest: ModelManifest, dataset: DataSet, settings: list[str], n: int) -> None:
    """That the model can be evaluated so. ValueError or a SoundproofError says why not."""
    if set(manifest.classes) != set(dataset.classes):
        raise ValueError(f"{folder}: the model's classes are not those of {dataset.name}")
    if dataset.folds and (manifest.training is None or manifest.training.fold not in dataset.folds):
        raise ValueError(f"{folder}: {dataset.name} is cross-validated, and the model held out none of its folds")
    for setting in settings:
        kind, _, sigma = setting.partition(":")
        if kind == "feature" and not manifest.has_features:
            raise ValueError(f"{folder}: the model has no features to put noise on")
        plan_of(manifest, "waveform" if kind == GEOMETRY else kind, float(sigma), n, samples_sha256="")


def _setting(text: str) -> str:
    """`kind:sigma` as it stands in rows. ValueError says what it may be."""
    kind, _, sigma = text.partition(":")
    try:
        if kind in KINDS:
            return f"{kind}:{float(sigma):g}"
    except ValueError:
        pass
    raise ValueError(f"{text!r} is no setting: they are kind:sigma, kind one of {', '.join(KINDS)}")


def _clips(dataset: DataSet, every: list[Clip], manifest: ModelManifest, per_class: int | None) -> list[Clip]:
    """The clips a model is tested with: those of its own split or fold, or `per_class` of each class of these."""
    test = dataset.part(every, "test", manifest.training.fold if manifest.training else None)
    return balanced(test, dataset.classes, per_class) if per_class else test


def _computed(pool: Executor, tasks: list[Task], ahead: int) -> Iterator[rows.Row]:
    """Rows as they come. `ahead` tasks at most are begun or queued, so that all of them fit into memory.

    What a task raises is raised, with its task in a note, when the rows that came with it are out.
    """
    waiting = iter(tasks)
    running = {pool.submit(compute, task): task for task in itertools.islice(waiting, ahead)}
    while running:
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        running |= {pool.submit(compute, task): task for task in itertools.islice(waiting, len(finished))}
        failed = [future for future in finished if future.exception()]
        yield from (future.result() for future in finished if future not in failed)
        for future in failed:
            error = future.exception()
            assert error is not None
            error.add_note(f"in {running[future]}")
            raise error
        for future in finished:
            del running[future]


def _key(manifest: ModelManifest, clip: Clip, setting: str, n: int) -> tuple[str, ...]:
    """The key that the row will have."""
    budget = () if setting.partition(":")[0] in {CLEAN, GEOMETRY} else (str(N0), str(n), f"{ALPHA:g}")
    return manifest.digest, clip.name, setting, *budget


def _devices() -> str:
    return ",".join(f"cuda:{index}" for index in range(torch.cuda.device_count())) or "cpu"


if __name__ == "__main__":
    main()
