"""From rows to the figures of a table: accuracies with their spread over runs, medians, shares."""

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rows import CertificateRow, CleanRow, GeometryRow, Row

ABSTAINED = "(abstained)"


@dataclass(frozen=True)
class Share:
    """A share in percent: the mean over runs and, of two runs or more, their sample standard deviation."""

    percent: float
    spread: float | None
    runs: int

    def __str__(self) -> str:
        return f"{self.percent:.1f}" + (f" ± {self.spread:.1f}" if self.spread is not None else "")


@dataclass(frozen=True)
class Group:
    """All rows of one data set and one way of training, under whatever seeds and folds.

    `noise_sigma`: the training noise; None where a model does not say.
    """

    dataset: str
    noise_sigma: tuple[float, ...] | None
    clean: tuple[CleanRow, ...]
    geometry: tuple[GeometryRow, ...]
    certificates: tuple[CertificateRow, ...]

    @property
    def noise(self) -> str:
        """The training noise in words."""
        if self.noise_sigma is None:
            return "unknown"
        return ", ".join(f"{sigma:g}" for sigma in self.noise_sigma) or "none"

    def at(self, setting: str) -> tuple[CertificateRow, ...]:
        return tuple(row for row in self.certificates if row.setting == setting)

    def geometry_at(self, sigma: float) -> tuple[GeometryRow, ...]:
        return tuple(row for row in self.geometry if row.sigma == sigma)

    @property
    def settings(self) -> list[str]:
        """Of the certificates: by kind, then by sigma."""
        return sorted(
            {row.setting for row in self.certificates}, key=lambda s: (s.partition(":")[0], float(s.partition(":")[2]))
        )

    @property
    def clean_of_certified(self) -> tuple[CleanRow, ...]:
        """The answers without noise to the clips that were certified too: what certificates may be compared with."""
        certified = {(row.model_digest, row.clip) for row in self.certificates}
        return tuple(row for row in self.clean if (row.model_digest, row.clip) in certified)


def groups(every: Iterable[Row], n: int | None = None) -> list[Group]:
    """Rows by data set and training noise, in a fixed order; a row that is there twice counts once.

    `n`: of certificates, take those of so many votes only. ValueError where those of one setting have different
    budgets: their radii have different ceilings.
    """
    parts: dict[tuple[str, tuple[float, ...] | None], dict[tuple[str, ...], Row]] = defaultdict(dict)
    for row in every:
        if n is not None and isinstance(row, CertificateRow) and row.n != n:
            continue
        parts[row.dataset, row.noise_sigma].setdefault(row.key, row)
    found = [
        Group(
            dataset,
            noise_sigma,
            tuple(row for row in rows.values() if isinstance(row, CleanRow)),
            tuple(row for row in rows.values() if isinstance(row, GeometryRow)),
            tuple(row for row in rows.values() if isinstance(row, CertificateRow)),
        )
        for (dataset, noise_sigma), rows in parts.items()
    ]
    for group in found:
        for setting in group.settings:
            budgets = sorted({(row.n0, row.n, row.alpha) for row in group.at(setting)})
            if len(budgets) > 1:
                told = " and ".join(f"n0 = {n0}, n = {n}, alpha = {alpha:g}" for n0, n, alpha in budgets)
                raise ValueError(f"{group.dataset}, {setting}: rows of {told}: say which n to take")
    return sorted(found, key=lambda group: (group.dataset, group.noise_sigma is None, group.noise_sigma or ()))


def share(rows: Sequence[CleanRow] | Sequence[CertificateRow]) -> Share:
    """The share of rows that are right: accuracy, or positive-radius accuracy. A run is one model.

    ValueError when there is no row."""
    runs: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        runs[row.model_digest].append(row.right)
    percents = [100 * statistics.fmean(right) for right in runs.values()]
    if not percents:
        raise ValueError("no row to take a share of")
    return Share(statistics.fmean(percents), statistics.stdev(percents) if len(percents) > 1 else None, len(percents))


def median_radius(rows: Sequence[CertificateRow]) -> float:
    """Over all rows, an abstention counting as radius 0."""
    return statistics.median(row.radius or 0.0 for row in rows)


def median_snr_db(rows: Sequence[CertificateRow]) -> float | None:
    """Over all rows, an abstention counting as no SNR at all, infinitely high. None where the median is that, and where
    there is no SNR to speak of: noise on features."""
    median = statistics.median(math.inf if row.snr_db is None else row.snr_db for row in rows)
    return median if math.isfinite(median) else None


def unanimous(rows: Sequence[CertificateRow]) -> float:
    """Percent of rows whose n votes all agreed: their radius is the ceiling."""
    return 100 * statistics.fmean(max(row.counts) == row.n for row in rows)


def abstained(rows: Sequence[CertificateRow]) -> float:
    """Percent."""
    return 100 * statistics.fmean(row.outcome == "abstained" for row in rows)


def certified_accuracy(rows: Sequence[CertificateRow], holds: Callable[[CertificateRow], bool]) -> float:
    """Percent of rows that are right and for which `holds`, as Cohen et al. 2019 count it."""
    return 100 * statistics.fmean(row.right and holds(row) for row in rows)


def within_radius(radius: float) -> Callable[[CertificateRow], bool]:
    """Whether a certificate reaches `radius`."""
    return lambda row: row.radius is not None and row.radius >= radius


def within_snr(snr_db: float) -> Callable[[CertificateRow], bool]:
    """Whether a certificate holds for every perturbation at `snr_db` or above."""
    return lambda row: row.snr_db is not None and row.snr_db <= snr_db


def by_class(rows: Sequence[CertificateRow]) -> dict[str, float]:
    """Positive-radius accuracy in percent by true class, of the classes that have rows."""
    found: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        found[row.label].append(row.right)
    return {label: 100 * statistics.fmean(right) for label, right in sorted(found.items())}


def confusion(rows: Sequence[CertificateRow], classes: Sequence[str]) -> list[list[int]]:
    """Rows: true classes. Columns: what the smoothed classifier answered, the last one its abstentions."""
    counts = [[0] * (len(classes) + 1) for _ in classes]
    place = {name: i for i, name in enumerate(classes)}
    for row in rows:
        counts[place[row.label]][len(classes) if row.prediction is None else place[row.prediction]] += 1
    return counts


def geometry(rows: Sequence[GeometryRow], transform: str) -> tuple[float, float]:
    """D_geom and effective norm ratio of a transform: means over clips."""
    shapes = [row.transforms[transform] for row in rows]
    return (
        statistics.fmean(shape.d_geom for shape in shapes),
        statistics.fmean(shape.effective_norm_ratio for shape in shapes),
    )
