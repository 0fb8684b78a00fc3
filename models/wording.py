"""Tables and captions in Markdown: every number with its data, budget, device and command."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

from evaluate import SETTINGS
from rows import CertificateRow, CleanRow, GeometryRow
from soundproof.stats.rounding import format_down, format_up
from summary import Group, median_snr_db, share

NOT_RUN = "not run"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ("---",) * len(head), *lines))


def source(found: Sequence[CertificateRow], command: str) -> str:
    """What stands behind the numbers above it."""
    clips, models = len({row.clip for row in found}), len({row.model_digest for row in found})
    return (
        f"*{found[0].dataset}: {clips} test clips, {models} model{'s' if models > 1 else ''}, {budget(found)}; "
        f"{devices(found)}; {command}.*"
    )


def budget(found: Collection[CertificateRow]) -> str:
    """ "n0 = 100, n = 1000, alpha = 0.001" """

    def told(values: Iterable[float]) -> str:
        return " and ".join(str(value) for value in sorted(set(values)))

    n0, n, alpha = (row.n0 for row in found), (row.n for row in found), (row.alpha for row in found)
    return f"n0 = {told(n0)}, n = {told(n)}, alpha = {told(alpha)}"


def devices(found: Iterable[CertificateRow | GeometryRow]) -> str:
    return "; ".join(sorted({f"{row.device}, {row.backend}, noise from {row.generator}" for row in found}))


def percent(found: Sequence[CleanRow] | Sequence[CertificateRow]) -> str:
    return str(share(found)) if found else NOT_RUN


def at_most(value: float) -> str:
    """Percent, to a tenth; 100 only where it is."""
    return f"{format_down(value, 2 if value < 10 else 3)} %"


def snr(found: Sequence[CertificateRow]) -> str:
    median = median_snr_db(found)
    return "none" if median is None else format_up(median, 4)


def runs(group: Group) -> str:
    """ "seeds 1, 2, 3" or "seed 1; folds 1, 2, 3, 4, 5"."""
    named = (("seed", {row.seed for row in group.certificates}), ("fold", {row.fold for row in group.certificates}))
    told = []
    for name, found in named:
        known = sorted(number for number in found if number is not None)
        if known:
            told.append(f"{name}{'s' if len(known) > 1 else ''} {', '.join(map(str, known))}")
    models = len({row.model_digest for row in group.certificates})
    return "; ".join(told) or f"{models} model{'s' if models > 1 else ''}"


def clips_per_run(group: Group) -> str:
    counts = Counter((row.model_digest, row.setting) for row in group.certificates).values()
    return str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def training_command(group: Group) -> str | None:
    """How these models are trained; None where they do not say."""
    seeds = sorted({row.seed for row in group.certificates if row.seed is not None})
    folds = sorted({row.fold for row in group.certificates if row.fold is not None})
    if group.noise_sigma is None or not seeds:
        return None
    return (
        f"python models/train.py models/recipes/{group.dataset}.toml DATA --noise {_noise(group, ',')} "
        f"--seeds {','.join(map(str, seeds))}" + (f" --folds {','.join(map(str, folds))}" if folds else "")
    )


def evaluation_commands(group: Group, folders: str) -> Iterator[str]:
    """How such rows come to be: one command for all settings that were run on as many clips with as many votes."""
    settings: dict[tuple[int | None, int | None], set[str]] = defaultdict(set)
    for setting in group.settings:
        found = group.at(setting)
        settings[_most(group, found), found[0].n].add(setting)
    for setting in {row.setting for row in group.geometry}:
        most = _most(group, [row for row in group.geometry if row.setting == setting])
        votes = max((n for limit, n in settings if limit == most and n is not None), default=None)
        settings[most, votes].add(setting)
    for (most, n), chosen in sorted(settings.items(), key=lambda item: (item[0][0] or 0, item[0][1] or 0)):
        limit = "" if most is None else f" --per-class {most}"
        votes_asked = "" if n is None else f" --n {n}"
        named = "" if chosen == set(SETTINGS) else f" --settings {','.join(sorted(chosen))}"
        yield f"python models/evaluate.py {folders} --data DATA{limit}{votes_asked}{named}"


def _most(group: Group, found: Sequence[CertificateRow | GeometryRow]) -> int | None:
    """How many clips of each class were taken, at most; None where it was all that the models were tested with."""
    tested = {(row.model_digest, row.clip) for row in group.clean}
    if tested and tested <= {(row.model_digest, row.clip) for row in found}:
        return None
    return max(Counter((row.model_digest, row.label) for row in found).values())


def run_folders(group: Group) -> str:
    """Where models/train.py writes the group's runs."""
    return f"runs/{group.dataset}/noise-{_noise(group, '+')}-*"


def _noise(group: Group, between: str) -> str:
    return between.join(f"{sigma:g}" for sigma in group.noise_sigma or ()) or "none"
