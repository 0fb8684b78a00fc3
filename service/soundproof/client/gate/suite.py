"""A suite: labelled clips, read from a folder by class, a manifest, or a data set with an index.

    suite/yes/a.wav                        a folder by class
    manifest.csv, manifest.jsonl           `path` and `label`, then perhaps `sigma`, `n0`, `n` or `seed` of single clips
    dataset/manifest.csv                   a data set: the same, with a column `split` or `fold` to choose from

Paths in a manifest are relative to its folder and stay in it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from soundproof.client.gate.faults import SuiteFault
from soundproof.listing import ListingFault, csv_rows, jsonl_rows
from soundproof.printable import printable

AUDIO = (".wav", ".wave", ".flac", ".ogg", ".oga", ".aiff", ".aif")
INDEX = ("manifest.csv", "manifest.jsonl")
LISTS = (".csv", ".jsonl", ".ndjson")
SPLITS = ("split", "fold")
ALL = "all"
# What a manifest may set for single clips: other values of it leave every claim over the suite as it is.
CLIP_FIELDS = {"sigma": float, "n0": int, "n": int, "seed": int}
# What must be one for the whole suite, or the suite's claims would be of several things.
SUITE_FIELDS = ("alpha", "bound", "contract", "model", "noise", "precision", "target_snr_db", "transform")
# So many of a kind are named in a message.
_NAMED = 5


@dataclass(frozen=True)
class Clip:
    """`name`: the path within the suite, with slashes. `fields`: what is asked of this clip and not of others."""

    name: str
    path: Path
    label: str
    split: str | None = None
    fields: Mapping[str, float | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Suite:
    """`clips` in a fixed order: by label and name, or as listed. `chosen`: which of how many they are, in words."""

    clips: tuple[Clip, ...]
    chosen: str = ""

    @property
    def labels(self) -> list[str]:
        return sorted({clip.label for clip in self.clips})


def read_suite(place: Path, split: str | None = None) -> Suite:
    """The clips of a folder or a manifest; `split`: those of one split or fold, or `all`.

    Raises SuiteFault for whatever makes the suite less, or other, than its maker meant: no clip at all, a file that is
    missing, listed twice or outside the suite's folder, a label or a field that cannot be read, a split not chosen.
    """
    listed, root = _located(place)
    if listed is None:
        if split is not None:
            raise SuiteFault(f"{place} has no index of splits, so --split chooses nothing.")
        return Suite(_in_folder(root))
    clips = tuple(_in_list(listed, root))
    repeated = [name for name, count in Counter(clip.name for clip in clips).items() if count > 1]
    if repeated:
        raise SuiteFault(f"{listed} lists {_some(repeated)} more than once.")
    clips = _of_split(clips, split, listed)
    if not clips:
        raise SuiteFault(f"{listed} lists no clip.")
    missing = [clip.name for clip in clips if not clip.path.is_file()]
    if missing:
        raise SuiteFault(f"{len(missing)} of {len(clips)} clips in {listed} are not there: {_some(missing)}.")
    return Suite(clips)


def _located(place: Path) -> tuple[Path | None, Path]:
    """The list of a suite, None for a folder by class, and the folder its paths are relative to."""
    if place.is_file():
        if place.suffix not in LISTS:
            raise SuiteFault(f"{place} is neither a folder nor a manifest ({', '.join(LISTS)}).")
        return place, place.parent
    if not place.is_dir():
        raise SuiteFault(f"{place} is not there.")
    return next((place / name for name in INDEX if (place / name).is_file()), None), place


def _in_folder(root: Path) -> tuple[Clip, ...]:
    """Every audio file below a class's folder. Names that begin with a dot are the system's, not the suite's."""
    files = [path for path in root.rglob("*") if path.suffix.lower() in AUDIO and path.is_file()]
    names = sorted(path.relative_to(root).as_posix() for path in files)
    names = [name for name in names if not any(part.startswith(".") for part in name.split("/"))]
    classless = [name for name in names if "/" not in name]
    if classless:
        raise SuiteFault(
            f"{_some(classless)} in {root} is in no class's folder: a suite is class/clip.wav, or has a manifest.csv."
        )
    if not names:
        raise SuiteFault(f"{root} has no audio below any class's folder (class/clip.wav) and no manifest.csv.")
    found = [Clip(name, _inside(root, name, root), name.split("/")[0]) for name in names]
    return tuple(sorted(found, key=lambda clip: (clip.label, clip.name)))


def _in_list(listed: Path, root: Path) -> Iterator[Clip]:
    for line, row in _rows(listed):
        where = f"{listed}, line {line}"
        name, label = row.get("path"), row.get("label")
        if not (isinstance(name, str) and name and isinstance(label, str) and label):
            raise SuiteFault(f"{where}: every clip needs a path and a label.")
        for own in SUITE_FIELDS:
            if row.get(own) not in (None, ""):
                raise SuiteFault(f"{where}: {own} is asked of the whole suite; say it on the command line.")
        split = next((str(row[column]) for column in SPLITS if row.get(column) not in (None, "")), None)
        yield Clip(name, _inside(root, name, where), label, split, _fields(row, where))


def _rows(listed: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every row with the number of its line."""
    try:
        with listed.open(newline="", encoding="utf-8-sig") as lines:
            yield from csv_rows(lines, ("path", "label")) if listed.suffix == ".csv" else jsonl_rows(lines)
    except ListingFault as fault:
        where = f"{listed}, line {fault.line}:" if fault.line else str(listed)
        raise SuiteFault(f"{where} {fault}.") from fault
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteFault(f"{listed} cannot be read: {error}.") from error


def _fields(row: Mapping[str, Any], where: str) -> dict[str, float | int]:
    found: dict[str, float | int] = {}
    for name, kind in CLIP_FIELDS.items():
        value = row.get(name)
        if value in (None, ""):
            continue
        try:
            found[name] = kind(str(value))
        except ValueError:
            raise SuiteFault(f"{where}: {name} is {printable(str(value))!r}, not a number.") from None
    return found


def _inside(root: Path, name: str, where: object) -> Path:
    """The path of a clip. A manifest may come from anyone: it never names a file outside its folder, not by a link."""
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise SuiteFault(f"{where}: the name {printable(name)!r} is not UTF-8; give the file another.")
    pure = PurePosixPath(name)
    # A drive or a backslash means another place on some systems.
    lexical = pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in pure.parts[0] or "\x00" in name
    path = root / pure
    if lexical or not path.resolve().is_relative_to(root.resolve()):
        raise SuiteFault(f"{where}: {printable(name)!r} leaves the suite's folder.")
    return path


def _of_split(clips: tuple[Clip, ...], split: str | None, listed: Path) -> tuple[Clip, ...]:
    counts = Counter(clip.split for clip in clips)
    named = ", ".join(f"{name} ({counts[name]})" for name in sorted(map(str, counts)) if name != "None")
    if split == ALL:
        return clips
    if split is None:
        if len(counts) > 1:
            raise SuiteFault(f"{listed} has splits: {named}. Choose one with --split, or all with --split {ALL}.")
        return clips
    found = tuple(clip for clip in clips if clip.split == split)
    if not found:
        raise SuiteFault(f"{listed} has no split {split!r}; it has {named or 'none'}.")
    return found


def _some(names: list[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:_NAMED])
    return shown + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
