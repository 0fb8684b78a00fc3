"""The votes of a claimed clip, kept as they come in."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from soundproof import __version__
from soundproof.api.keeper import Keeper
from soundproof.audio.facts import ClipFacts
from soundproof.engine.journal import Earlier, VotedBlock
from soundproof.errors import ClaimLost, StoreUnavailable
from soundproof.smoothing.plan import Plan
from soundproof.store.clips import Claim
from soundproof.store.store import Store
from soundproof.store.work import Work

log = logging.getLogger("soundproof.jobs")

# When a store that cannot be had is asked again.
AGAIN_S = 5.0

Entry = Callable[[Store], object]


class ClipLedger:
    """A certifier's Ledger: writes to the store behind the engine's back, in order. What cannot be written costs time
    after a crash, never an answer."""

    def __init__(self, keeper: Keeper, claim: Claim) -> None:
        self._keeper = keeper
        self._claim = claim
        self._plan: Plan | None = None
        self._entries: asyncio.Queue[Entry] = asyncio.Queue()

    def resume(self, plan: Plan) -> Earlier | None:
        self._plan = plan
        begun = self._claim.begun
        if begun is None or (begun.work.plan, begun.work.service_version) != (plan, __version__):
            return None
        return Earlier(begun.work.generator, begun.work.backend, begun.votes)

    def begun(self, facts: ClipFacts, generator: str, backend: str) -> None:
        assert self._plan is not None  # noqa: S101  (resume comes first)
        work = Work(plan=self._plan, facts=facts, generator=generator, backend=backend, service_version=__version__)
        self._entries.put_nowait(lambda store: store.clips.begin(self._claim, work))

    def voted(self, votes: Sequence[VotedBlock]) -> None:
        self._entries.put_nowait(lambda store: store.clips.record(self._claim, votes))

    @asynccontextmanager
    async def written(self) -> AsyncIterator[None]:
        """Entries are written while this lasts. Those that are left at the end are no longer needed."""
        writing = asyncio.create_task(self._write())
        try:
            yield
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _write(self) -> None:
        try:
            while True:
                entry = await self._entries.get()
                while not await self._kept(entry):
                    await asyncio.sleep(AGAIN_S)
        except ClaimLost:
            pass  # the clip was cancelled: nothing of it is wanted
        except Exception:  # a fault of ours costs time after a crash, as said above
            log.exception("votes of %s, clip %d, are not kept", self._claim.job_id, self._claim.position)

    async def _kept(self, entry: Entry) -> bool:
        try:
            await self._keeper.call(entry)
        except StoreUnavailable as error:
            log.warning(
                "votes of %s, clip %d, are not kept: %s", self._claim.job_id, self._claim.position, error.detail
            )
            return False
        return True
