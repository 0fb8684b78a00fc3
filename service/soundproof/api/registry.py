"""The models served now: a catalog that is read again while requests go on, on SIGHUP or when its folder changes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from soundproof.api.catalog import DEFAULT, Catalog, Entry, Stamp, named_default, places, read_entries, stamp_of
from soundproof.api.metrics import Metrics
from soundproof.engine.pool import Pool
from soundproof.errors import ModelRefused, ModelUnavailable, UnknownModel

log = logging.getLogger("soundproof.api")

Result = Literal["applied", "unchanged", "partial", "rejected"]


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
        self._reading = asyncio.Lock()
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
                done = Reload(at=datetime.now(UTC), result="rejected", reason=str(error))
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
        async with self._reading:
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
            log.warning(
                "model %s was changed in place: version %s (%s) is served instead of %s (%s)",
                fresh.manifest.name,
                fresh.manifest.version,
                fresh.source.digest[:12],
                entry.manifest.version,
                entry.source.digest[:12],
            )
            self.catalog = replace(self.catalog, entries=self.catalog.entries | {entry.manifest.name: fresh})
            self._pool.offer(self.catalog.sources)
            return fresh

    def _read(self) -> tuple[dict[Path, Stamp], Catalog]:
        """In a thread. The stamps are taken first: what changes while the folder is read is seen by the next look."""
        stamps = self._stamp()
        entries, refused = read_entries(self._models)
        for name, old in self.catalog.entries.items():
            if name not in entries and old.place.name in refused and self._still_served(old):
                reason = refused.pop(old.place.name)
                entries[name] = replace(old, kept=reason, stamp=stamp_of(old.place))
        entries = dict(sorted(entries.items(), key=lambda item: item[1].place))
        return stamps, Catalog.of(self._models, entries, refused, self._default)

    def _still_served(self, old: Entry) -> bool:
        """Whether a worker holds that version, or could load it: a link may lead elsewhere now, and its files be there
        as they were."""
        if self._pool.standing.holders(old.source.digest):
            return True
        try:
            return Entry.read(old.source.folder).source.digest == old.source.digest
        except ModelRefused:
            return False

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
                if not await self._pool.try_out(entry.source, old.source.digest):
                    log.warning("model %s: no worker has room to try version %s first", name, entry.manifest.version)
            except ModelUnavailable as error:
                entries[name] = replace(old, kept=str(error), stamp=entry.stamp)
        return replace(fresh, entries=entries)

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


def changes(old: Catalog, new: Catalog) -> list[str]:
    """What a reload changed, a line for each model, for the log."""
    lines = [f"model {name} is no longer served" for name in old.entries.keys() - new.entries.keys()]
    for name, entry in new.entries.items():
        if name not in old.entries:
            lines.append(f"model {name} is new: version {entry.manifest.version} ({entry.source.digest[:12]})")
        elif old.entries[name].source.digest != entry.source.digest:
            lines.append(f"model {name} is version {entry.manifest.version} now ({entry.source.digest[:12]})")
    if old.default != new.default:
        lines.append(f"the default model is {new.default} now, no longer {old.default}")
    return sorted(lines)
