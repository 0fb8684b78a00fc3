"""Old jobs and certificates are deleted, a little at a time."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from soundproof.api.clock_steps import ClockSteps
from soundproof.api.keeper import Keeper
from soundproof.errors import StoreUnavailable
from soundproof.store.store import Store

log = logging.getLogger("soundproof.store")

EVERY_S = 3600.0
AT_ONCE = 10  # jobs, or a hundred times as many certificates, in one call


@dataclass(frozen=True)
class Housekeeping:
    keeper: Keeper
    keep_jobs_days: float
    keep_certificates_days: float
    steps: ClockSteps = field(default_factory=ClockSteps)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.tidy()
            except StoreUnavailable as error:
                log.warning("nothing old is deleted: %s", error.detail)
            except Exception:  # a fault of ours is not to end this for good
                log.exception("nothing old is deleted")
            await asyncio.sleep(EVERY_S)

    async def tidy(self) -> None:
        """Delete what is older than its time, unless the clock says so only because it was set. Raises
        StoreUnavailable."""
        if not self.steps.trusted():
            return
        today = datetime.fromtimestamp(self.steps.wall(), UTC)
        jobs, certificates = (
            today - timedelta(days=days) for days in (self.keep_jobs_days, self.keep_certificates_days)
        )
        await self._all(lambda store: store.retention.delete_jobs(finished_before=jobs, most=AT_ONCE), AT_ONCE)
        most = 100 * AT_ONCE
        await self._all(lambda store: store.retention.delete_certificates(created_before=certificates, most=most), most)

    async def _all(self, delete: Callable[[Store], int], most: int) -> None:
        while await self.keeper.call(delete) == most:
            pass
