"""The models served now: a catalog that is read again while requests go on, on SIGHUP or when its folder changes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from soundproof.api.catalog import (
    DEFAULT,
    Catalog,
    Entry,
    Stamp,
    named_default,
    places,
    read_entries,
    stamp_of,
    taken,
)
from soundproof.api.metrics import Metrics
from soundproof.engine.pool import Pool
from soundproof.errors import ModelRefused, ModelUnavailable, UnknownModel
from soundproof.printable import printable

log = logging.getLogger("soundproof.api")

Result = Literal["applied", "unchanged", "partial", "rejected"]

NO_ROOM = (
    "The new version does not fit into memory beside the old one, which cannot be let go to try it: requests use it, or"
    " its files are gone. Raise SOUNDPROOF_MODEL_MEMORY_BYTES, reload when no request uses it, or restart."
)


@dataclass(frozen=True, kw_only=True)
class Reload:
    """How the last reading of the models went, and why it was not taken up in full, where it was not."""

    at: datetime
    result: Result
    reason: str = ""


class Registry:
    """`catalog` is replaced as a whole, on the loop, so that a request meets the old one or the new one.

    A request keeps the entry it was given: its run finishes with that version, or fails, or is begun anew with the
    next one; never with votes of two.
    """

    def __init__(self, models: Path, default: str, pool: Pool, metrics: Metrics) -> None:
        """Raises ModelRefused and UnknownModel as Catalog.read does."""
        self._models = models
        self._default = default
        self._pool = pool
        self._metrics = metrics
        # Of its own each: a reload that waits for a new version to be loaded keeps no request from its successor. What
        # a reload has read before that may be taken up after it, and then leads to the same successor once more.
        self._reading = asyncio.Lock()
        self._succeeding = asyncio.Lock()
        self._stamps = self._stamp()
        self.catalog = Catalog.read(models, default)
        self.last_reload: Reload | None = None
        pool.offer(self.catalog.sources)

    async def reload(self) -> Reload:
        """Read the models folder again and serve what is there from now on.

        A folder that is broken now keeps its last good version, while that can still be served. A new version of a
        model that is in memory is loaded before it takes over, and does not if no worker can. A catalog without any
        model, or without the default that the settings name, is rejected as a whole.
        """
        async with self._reading:
            try:
                stamps, fresh = await asyncio.to_thread(self._read)
                fresh = await self._tried(fresh)
            except (ModelRefused, UnknownModel) as error:
                done = Reload(at=datetime.now(UTC), result="rejected", reason=printable(str(error)))
            except Exception:  # a fault of ours leaves the models as they are; the next reload may do better
                log.exception("the models could not be read again")
                done = Reload(at=datetime.now(UTC), result="rejected", reason="a fault of the service; see the log")
            else:
                done = self._take_up(stamps, fresh)
            self.last_reload = done
            self._metrics.reload(done.result)
            level = logging.ERROR if done.reason else logging.INFO
            log.log(level, "models read again: %s%s", done.result, f": {done.reason}" if done.reason else "")
            return done

    async def watch(self, every_s: float, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Reload when the models folder has changed and then stayed the same for one look. Until cancelled."""
        seen = tried = self._stamps
        while True:
            await pause(every_s)
            before, seen = seen, await asyncio.to_thread(self._stamp)
            if seen == before and seen not in (tried, self._stamps):
                tried = seen  # a folder that is rejected is not read again and again
                await self.reload()

    async def successor(self, entry: Entry) -> Entry | None:
        """The version to begin a run anew with that could not be served with `entry`: another one of the same model, or
        the same where its files were put right. None where there is none.

        Raises UnknownModel when the model was removed.
        """
        async with self._succeeding:
            present = self.catalog.get(entry.manifest.name)
            if present.source != entry.source:
                return present  # a reload came between
            if await asyncio.to_thread(stamp_of, entry.place) == entry.stamp:
                return None
            try:
                fresh = await asyncio.to_thread(Entry.read, entry.place)
            except ModelRefused:
                return None
            if fresh.manifest.name != entry.manifest.name:
                return None
            present = self.catalog.get(entry.manifest.name)
            if present.source != entry.source:
                return present  # a reload came between
            log.warning(
                "model %s was changed in place: version %s (%s) is served instead of %s (%s)",
                fresh.manifest.name,
                printable(fresh.manifest.version),
                fresh.source.digest[:12],
                printable(entry.manifest.version),
                entry.source.digest[:12],
            )
            self.catalog = replace(self.catalog, entries=self.catalog.entries | {entry.manifest.name: fresh})
            self._pool.exchange(self.catalog.sources, fresh.source.digest)
            return fresh

    def _read(self) -> tuple[dict[Path, Stamp], Catalog]:
        """In a thread. The stamps are taken first: what changes while the folder is read is seen by the next look."""
        stamps = self._stamp()
        serving = self.catalog.entries
        entries, refused = read_entries(self._models, serving)
        for name, old in serving.items():
            if old.place in refused and (name not in entries or entries[name].place != old.place):
                self._keep(old, entries, refused)
        entries = dict(sorted(entries.items(), key=lambda item: item[1].place))
        return stamps, Catalog.of(self._models, entries, refused, self._default)

    def _keep(self, old: Entry, entries: dict[str, Entry], refused: dict[Path, str]) -> None:
        """Go on with the last good version of a folder that is broken now, where there is one: no other folder gets its
        name meanwhile."""
        if not (self._pool.standing.holders(old.source.digest) or _can_be_loaded(old)):
            return
        name = old.manifest.name
        if name in entries:
            refused[entries[name].place] = taken(old)
        entries[name] = replace(old, kept=refused.pop(old.place), stamp=stamp_of(old.place))

    async def _tried(self, fresh: Catalog) -> Catalog:
        """Without the new versions that no worker can load. Only those that somebody is likely to ask for are tried."""
        entries = dict(fresh.entries)
        for name, entry in fresh.entries.items():
            old = self.catalog.entries.get(name)
            if old is None or old.source.digest == entry.source.digest:
                continue
            if not self._pool.standing.holders(old.source.digest):
                continue
            try:
                if not await self._try(entry, old):
                    # With the old stamp: once the old version cannot be loaded any more, a request gets the new one.
                    entries[name] = replace(old, kept=NO_ROOM)
            except ModelUnavailable as error:
                entries[name] = replace(old, kept=str(error), stamp=entry.stamp)
        return replace(fresh, entries=entries)

    async def _try(self, entry: Entry, old: Entry) -> bool:
        """Load the new version: beside the old one, or in its place where it can be brought back. False where neither
        can be done; raises ModelUnavailable where no worker can load it."""
        if await self._pool.try_out(entry.source, old.source.digest):
            return True
        if not await asyncio.to_thread(_can_be_loaded, old):
            return False
        return await self._pool.try_out(entry.source, old.source.digest, in_its_place=True)

    def _take_up(self, stamps: dict[Path, Stamp], fresh: Catalog) -> Reload:
        old, self.catalog, self._stamps = self.catalog, fresh, stamps
        self._pool.offer(fresh.sources)
        for line in changes(old, fresh):
            log.info("%s", line)
        faults = {name: entry.kept for name, entry in fresh.entries.items() if entry.kept} | fresh.refused
        reason = " ".join(f"{name}: {fault}" for name, fault in faults.items())
        same = {name: entry.manifest for name, entry in old.entries.items()} == {
            name: entry.manifest for name, entry in fresh.entries.items()
        } and old.default == fresh.default
        return Reload(
            at=fresh.read_at, result="partial" if reason else "unchanged" if same else "applied", reason=reason
        )

    def _stamp(self) -> dict[Path, Stamp]:
        stamps = {place: ((str(place.resolve()), 0, 0, 0), *stamp_of(place)) for place in places(self._models)}
        return stamps | {self._models / DEFAULT: ((named_default(self._models), 0, 0, 0),)}


def _can_be_loaded(old: Entry) -> bool:
    """Whether that version's files are there as they were: a link may lead elsewhere now."""
    try:
        return Entry.read(old.source.folder).source.digest == old.source.digest
    except ModelRefused:
        return False


def changes(old: Catalog, new: Catalog) -> list[str]:
    """What a reload changed, a line for each model, for the log."""
    lines = [f"model {name} is no longer served" for name in old.entries.keys() - new.entries.keys()]
    for name, entry in new.entries.items():
        if name not in old.entries:
            lines.append(
                f"model {name} is new: version {printable(entry.manifest.version)} ({entry.source.digest[:12]})"
            )
        elif old.entries[name].source.digest != entry.source.digest:
            lines.append(
                f"model {name} is version {printable(entry.manifest.version)} now ({entry.source.digest[:12]})"
            )
    if old.default != new.default:
        lines.append(f"the default model is {new.default} now, no longer {old.default}")
    return sorted(lines)
