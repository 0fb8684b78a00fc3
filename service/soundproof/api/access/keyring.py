"""The keys in force: read at the start, and again when asked to; each with its purse."""

import asyncio
import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from soundproof.api.access.bucket import Bucket
from soundproof.api.access.purse import Purse
from soundproof.api.metrics import Metrics
from soundproof.api_keys import KEY, ApiKey, read_api_keys, sha256_of
from soundproof.printable import printable

log = logging.getLogger("soundproof.api")


@dataclass(frozen=True)
class Holder:
    """Whoever showed this key."""

    key: ApiKey
    purse: Purse


class Keyring:
    """Exchanged as a whole, on the loop: a request meets the old keys or the new ones."""

    def __init__(self, path: Path, metrics: Metrics) -> None:
        """ValueError says why the file has no keys."""
        self._path = path
        self._metrics = metrics
        self._holders: dict[str, Holder] = {}
        self._take_up(read_api_keys(path))

    def holder_of(self, secret: str) -> Holder | None:
        """Who holds this key; None where nobody does. Takes as long for a key that is nearly right as for any other."""
        if not KEY.fullmatch(secret):
            return None
        digest = sha256_of(secret)
        found = None
        for holder in self._holders.values():
            if hmac.compare_digest(holder.key.sha256, digest):
                found = holder
        return found

    async def reload(self) -> None:
        """Read the file again. A file that is faulty now changes nothing, and the log says so. What is missing from a
        budget stays missing."""
        try:
            keys = await asyncio.to_thread(read_api_keys, self._path)
        except ValueError as error:
            log.error(  # noqa: TRY400  (the reason says it all)
                "API keys stay as they were: %s", printable(str(error))
            )
            return
        before = self.holders
        self._take_up(keys)
        log.info("API keys read: %s", self._changes(before))

    @property
    def holders(self) -> Mapping[str, Holder]:
        """By name."""
        return dict(self._holders)

    def measure(self) -> None:
        """Tell the metrics what is left of each budget."""
        for name, holder in self._holders.items():
            if bucket := holder.purse.bucket:
                self._metrics.budget_left(name, bucket.left / bucket.budget.cost)

    def _take_up(self, keys: tuple[ApiKey, ...]) -> None:
        self._holders = {key.name: Holder(key, self._purse(key)) for key in keys}
        self._metrics.keys(self._holders)

    def _purse(self, key: ApiKey) -> Purse:
        """The purse that there is, where the budget is the same: what is under way gives back to it."""
        known = self._holders.get(key.name)
        if known and known.key.budget == key.budget:
            return known.purse
        before = known.purse.bucket if known else None
        if key.budget is None:
            return Purse(key.name, None, self._spent)
        return Purse(key.name, before.replaced(key.budget) if before else Bucket(key.budget), self._spent)

    def _spent(self, name: str, cost: float) -> None:
        if name in self._holders:  # or the metrics would have series of keys that are gone
            self._metrics.spent(name, cost)

    def _changes(self, before: Mapping[str, Holder]) -> str:
        """In words, by names."""
        now = self._holders
        changed = [name for name in now if name in before and now[name].key != before[name].key]
        told = {"new": now.keys() - before.keys(), "gone": before.keys() - now.keys(), "changed": changed}
        words = [f"{what}: {', '.join(sorted(names))}" for what, names in told.items() if names]
        return f"{len(now)} in force; {'; '.join(words) or 'none changed'}"
