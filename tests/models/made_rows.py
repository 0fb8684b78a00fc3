"""Rows of an evaluation made by hand, with figures that can be checked by hand."""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from datasets import DATASETS
from rows import CertificateRow, CleanRow, GeometryRow, Row, Shape
from soundproof.stats.radius import radius_ceiling, snr_db

N = 1000
NORM = {"speech-commands-12": 16_000**0.5, "esc-10": 80_000**0.5, "esc-50": 80_000**0.5}
PAPER_SETTINGS = (
    "waveform:0.0025",
    "waveform:0.005",
    "waveform:0.01",
    "waveform:0.02",
    "feature:0.02",
    "clip:0.0025",
)
# Near the paper's Table 3.
GEOMETRY = {
    "fixed": Shape(d_geom=6.5e-8, effective_norm_ratio=1.0),
    "rms": Shape(d_geom=3.4e-5, effective_norm_ratio=0.99998),
    "clip": Shape(d_geom=260.0, effective_norm_ratio=261.0),
    "peak": Shape(d_geom=345.0, effective_norm_ratio=346.0),
    "peak_clean": Shape(d_geom=0.016, effective_norm_ratio=1.016),
}


def digest_of(seed: int, fold: int | None = None, noise_sigma: Sequence[float] = (0.005,)) -> str:
    return hashlib.sha256(f"{seed} {fold} {noise_sigma}".encode()).hexdigest()


def _common(
    dataset: str, clip: str, label: str, setting: str, seed: int, fold: int | None, noise_sigma: tuple[float, ...]
) -> dict[str, Any]:
    return {
        "model": dataset,
        "model_digest": digest_of(seed, fold, noise_sigma),
        "noise_sigma": noise_sigma,
        "seed": seed,
        "fold": fold,
        "dataset": dataset,
        "clip": clip,
        "samples_sha256": hashlib.sha256(clip.encode()).hexdigest(),
        "label": label,
        "setting": setting,
        "device": "cpu",
        "generator": "made up",
        "backend": "made up as well",
    }


def clean(
    label: str,
    prediction: str,
    *,
    dataset: str = "speech-commands-12",
    clip: str = "a/1.wav",
    seed: int = 1,
    fold: int | None = None,
    noise_sigma: tuple[float, ...] = (0.005,),
) -> CleanRow:
    return CleanRow(**_common(dataset, clip, label, "clean", seed, fold, noise_sigma), prediction=prediction)


def certificate(
    label: str,
    prediction: str | None,
    *,
    share: float = 1.0,
    dataset: str = "speech-commands-12",
    setting: str = "waveform:0.02",
    clip: str = "a/1.wav",
    seed: int = 1,
    fold: int | None = None,
    noise_sigma: tuple[float, ...] = (0.005,),
    n: int = N,
) -> CertificateRow:
    """`share`: of the ceiling that the radius is; at 1 the votes are unanimous. `prediction` None: an abstention."""
    kind, _, sigma = setting.partition(":")
    ceiling = radius_ceiling(float(sigma), n, 0.001)
    radius = None if prediction is None else share * ceiling
    top = n if share == 1.0 and radius is not None else n - 1
    counts = [0] * len(DATASETS[dataset].classes)
    counts[DATASETS[dataset].classes.index(prediction or label)] = top
    counts[DATASETS[dataset].classes.index(prediction or label) - 1] = n - top
    on_waveform = radius is not None and kind != "feature"
    return CertificateRow(
        **_common(dataset, clip, label, setting, seed, fold, noise_sigma),
        contract=kind if kind in {"waveform", "feature"} else "post_processed",
        transform="fixed" if kind in {"waveform", "feature"} else kind,
        sigma=float(sigma),
        n0=100,
        n=n,
        alpha=0.001,
        bound="clopper_pearson",
        noise_seed=1,
        outcome="abstained" if radius is None else "certified",
        prediction=prediction,
        radius=radius,
        snr_db=snr_db(NORM[dataset], radius) if on_waveform and radius else None,
        file_radius=0.05 * radius if on_waveform and radius else None,
        ceiling=ceiling,
        selection_counts=tuple(100 * count // n for count in counts),
        counts=tuple(counts),
        invalid=0,
        d_geom=1e-7,
        effective_norm_ratio=1.0,
        seconds=0.1,
    )


def shape_of(clip: str, label: str, *, dataset: str, sigma: float = 0.0025, seed: int = 1) -> GeometryRow:
    fold = 1 if DATASETS[dataset].folds else None
    common = _common(dataset, clip, label, f"geometry:{sigma:g}", seed, fold, (0.005,))
    return GeometryRow(**common, sigma=sigma, samples=100, transforms=GEOMETRY)


def evaluation(
    dataset: str, *, right: dict[str, float], noise_sigma: tuple[float, ...] = (0.005,), clips: int = 10, weak: int = 3
) -> Iterator[Row]:
    """What evaluating three seeds, or two folds, would write. `right`: by setting, the share of each class's `clips`
    that gets its own class; of the others one abstains and the rest get the next class. Every clip whose number `weak`
    divides has votes that are not unanimous."""
    data = DATASETS[dataset]
    runs: list[tuple[int, int | None]] = [(1, fold) for fold in data.folds[:2]] or [(seed, None) for seed in (1, 2, 3)]
    for (seed, fold), (place, label) in itertools.product(runs, enumerate(data.classes)):
        about: dict[str, Any] = {"dataset": dataset, "seed": seed, "fold": fold, "noise_sigma": noise_sigma}
        for take in range(clips):
            clip = f"{label}/{fold or 0}-{take}.wav"
            yield clean(label, label if take else data.classes[place - 1], clip=clip, **about)
            for setting, share in right.items():
                answer: str | None = label
                if take >= share * clips:
                    answer = None if take == clips - 1 else data.classes[place - 1]
                reach = 1.0 if take % weak else 0.7
                yield certificate(label, answer, setting=setting, clip=clip, share=reach, **about)
    if noise_sigma == (0.005,):
        for label in data.classes:
            yield shape_of(f"{label}/{data.folds[0] if data.folds else 0}-0.wav", label, dataset=dataset)
