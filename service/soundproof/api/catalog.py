"""The model folders as they were when they were read: which can be served, which are refused and why."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from soundproof.engine.protocol import Source
from soundproof.errors import ModelRefused, ModelUnavailable, UnknownModel
from soundproof.nets.manifest import MANIFEST, ModelManifest, read_manifest
from soundproof.printable import printable

log = logging.getLogger("soundproof.api")

# A file beside the model folders that names the default model, where the settings do not.
DEFAULT = "DEFAULT"
# What tells that a file was written or replaced: name, size in bytes, time of change in ns, inode.
Stamp = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One model. `kept`: why the folder as it is now is not what is served; empty when it is."""

    manifest: ModelManifest
    source: Source
    place: Path  # the folder's path as it was found: a link, where it is one
    stamp: Stamp
    kept: str = ""

    @classmethod
    def read(cls, place: Path) -> Self:
        """The model of a folder whose files match their digests; ModelRefused says what does not."""
        # A link is followed once: all files, now and when they are loaded, come from the folder that it names now.
        folder = place.resolve()
        stamp = stamp_of(place)
        try:
            manifest = read_manifest(folder)
            size_bytes = sum((folder / name).stat().st_size for name in (manifest.main_file, *manifest.files))
        except ModelRefused as error:
            raise ModelRefused(printable(error.detail.removeprefix(f"{folder}: ")), error.hint) from error
        except OSError as error:  # gone since it was hashed
            raise ModelRefused(f"its files cannot be read ({error.strerror}).") from error
        return cls(
            manifest=manifest,
            source=Source(manifest.name, manifest.digest, folder, size_bytes),
            place=place,
            stamp=stamp,
        )


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """`entries` by model name; `refused`: folder name, as it can be shown -> reason; `default`: a name."""

    entries: dict[str, Entry]
    refused: dict[str, str]
    default: str
    read_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def read(cls, models: Path, default: str = "") -> Self:
        """Every sub-folder of `models` with a model.json, but those whose name begins with a dot.

        Raises ModelRefused when none can be served, with the reasons, and UnknownModel for a default that is not there.
        """
        entries, refused = read_entries(models)
        for place, reason in refused.items():
            log.error("model folder %s is refused: %s", shown(place), reason)
        return cls.of(models, entries, refused, default)

    @classmethod
    def of(cls, models: Path, entries: dict[str, Entry], refused: dict[Path, str], default: str) -> Self:
        """A catalog of these; raises as `read` does."""
        reasons_by_name: dict[str, str] = {}
        for place, reason in refused.items():
            name = shown(place)  # of several folders it may be the same
            reasons_by_name[name] = f"{reasons_by_name[name]} {reason}" if name in reasons_by_name else reason
        if not entries:
            reasons = " ".join(f"{name}: {reason}" for name, reason in reasons_by_name.items())
            raise ModelRefused(
                f"There is no model to serve. {reasons or f'No folder in {models} has a {MANIFEST}.'}",
                "Set SOUNDPROOF_MODELS to a folder of models.",
            )
        default = default or named_default(models)
        if default and default not in entries:
            raise UnknownModel(f"The default model {default!r} is not among {', '.join(entries)}.")
        return cls(entries=entries, refused=reasons_by_name, default=default or next(iter(entries)))

    def get(self, name: str | None) -> Entry:
        """A model by name (None: the default). UnknownModel lists the names there are."""
        wanted = name or self.default
        if wanted in self.entries:
            return self.entries[wanted]
        if wanted in self.refused:
            raise ModelUnavailable(f"Model {wanted!r} was refused at load: {self.refused[wanted]}")
        raise UnknownModel(f"There is no model {wanted!r}.", f"Models: {', '.join(self.entries)}.")

    @property
    def sources(self) -> tuple[Source, ...]:
        """What workers may be asked to load, the default first."""
        others = (entry for name, entry in self.entries.items() if name != self.default)
        return tuple(entry.source for entry in (self.entries[self.default], *others))


def read_entries(models: Path, serving: Mapping[str, Entry] | None = None) -> tuple[dict[str, Entry], dict[Path, str]]:
    """By model name, in the order of the folders, what can be served; by folder, why the others cannot.

    Of several folders with one name the one that is `serving` keeps it: nobody takes over a model by its name.
    """
    found: dict[str, list[Entry]] = {}
    refused: dict[Path, str] = {}
    for place in places(models):
        try:
            entry = Entry.read(place)
        except ModelRefused as error:
            refused[place] = str(error)
        else:
            found.setdefault(entry.manifest.name, []).append(entry)
    entries: dict[str, Entry] = {}
    for name, namesakes in found.items():
        entries[name] = _entitled(namesakes, (serving or {}).get(name))
        refused |= {each.place: taken(entries[name]) for each in namesakes if each is not entries[name]}
    return dict(sorted(entries.items(), key=lambda item: item[1].place)), dict(sorted(refused.items()))


def taken(holder: Entry) -> str:
    """Why another folder cannot have the name of this one."""
    return f"{shown(holder.place)} is named {holder.manifest.name!r} too."


def _entitled(namesakes: list[Entry], serving: Entry | None) -> Entry:
    """Which of them has the name: the folder that is served now, or the same version elsewhere; else the folder of that
    name; else the first."""
    return min(
        namesakes,
        key=lambda each: (
            serving is None or each.place != serving.place,
            serving is None or each.source.digest != serving.source.digest,
            each.place.name != each.manifest.name,
        ),
    )


def shown(place: Path) -> str:
    """A folder's name as it can be shown: file names may hold any bytes."""
    return printable(place.name)


def named_default(models: Path) -> str:
    """The model that the file DEFAULT names; empty where there is no such file."""
    try:
        return (models / DEFAULT).read_text(errors="replace").strip()
    except OSError:
        return ""


def places(models: Path) -> list[Path]:
    """The model folders, by name."""
    return sorted(path.parent for path in models.glob(f"*/{MANIFEST}") if not path.parent.name.startswith("."))


def stamp_of(place: Path) -> Stamp:
    """Of all files in a folder; empty where it is gone."""
    stamps = []
    try:
        with os.scandir(place) as files:
            for file in files:
                status = file.stat()
                stamps.append((file.name, status.st_size, status.st_mtime_ns, status.st_ino))
    except OSError:
        return ()
    return tuple(sorted(stamps))
