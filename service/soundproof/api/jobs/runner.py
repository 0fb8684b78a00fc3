"""Whoever works on jobs: takes clips from the store one after another, and writes down what becomes of each."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from pydantic import ValidationError

from soundproof.api.access.job_charges import JobCharges
from soundproof.api.answers import Answer
from soundproof.api.certifier import Certifier
from soundproof.api.fields import CertifyFields
from soundproof.api.jobs.ledger import ClipLedger
from soundproof.api.keeper import Keeper
from soundproof.api.problems import problem_document
from soundproof.api.tracing import NO_TRACING, Tracing
from soundproof.errors import (
    ClaimLost,
    EngineStopped,
    InvalidPlan,
    QueueFull,
    SoundproofError,
    StoreUnavailable,
    WorkerFault,
    WorkerLost,
)
from soundproof.store.clips import Claim
from soundproof.store.store import Store

log = logging.getLogger("soundproof.jobs")

T = TypeVar("T")

# A clip that was begun so often and never settled is what ends the service.
MOST_CLAIMS = 50
LONGEST_WAIT_S = 30.0


@dataclass
class Runner:
    """Works on `places` clips at a time. Whatever happens to a clip, it is settled or back in the queue."""

    keeper: Keeper
    certifier: Certifier
    places: int
    charges: JobCharges = field(default_factory=JobCharges)
    tracing: Tracing = NO_TRACING
    _news: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _work: asyncio.Task[None] | None = field(default=None, init=False)
    _ended: bool = field(default=False, init=False)
    _tasks: dict[asyncio.Task[None], Claim] = field(default_factory=dict, init=False)

    def wake(self) -> None:
        """There are new clips."""
        self._news.set()

    @property
    def ended(self) -> bool:
        """Whether nothing is worked on any more: the service is about to end."""
        return self._ended

    async def hand_back(self) -> None:
        """End for good; returns when the clips at hand are back in the queue."""
        self._ended = True
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    def drop(self, job_id: str) -> None:
        """Stop working on a job, which was cancelled."""
        for task, claim in self._tasks.items():
            if claim.job_id == job_id:
                task.cancel()

    async def run(self) -> None:
        """Until cancelled; the clips at hand then go back to the queue, with the votes they have."""
        self._work = asyncio.current_task()
        try:
            recovered = await self._done(lambda store: store.clips.recover())
            if recovered:
                log.info("%d clips go on where they were left", recovered)
            places = asyncio.Semaphore(self.places)
            while True:
                await places.acquire()
                claim = await self._next()
                task = asyncio.create_task(self._serve(claim))
                self._tasks[task] = claim
                task.add_done_callback(partial(self._left, places))
        finally:
            left = list(self._tasks)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def _left(self, places: asyncio.Semaphore, task: asyncio.Task[None]) -> None:
        claim = self._tasks.pop(task)
        places.release()
        if not task.cancelled() and (error := task.exception()):
            log.error("a clip of %s was left", claim.job_id, exc_info=error)

    async def _next(self) -> Claim:
        while True:
            self._news.clear()
            claim = await self._done(_claiming(self._tasks.values()))
            if claim is not None:
                return claim
            await self._news.wait()

    async def _serve(self, claim: Claim) -> None:
        """From the claim to the end of the clip, or back."""
        with self.tracing.clip(claim.traceparent) as span:
            span.tell(job_id=claim.job_id, position=claim.position)
            try:
                result = await self._result(claim)
                with contextlib.suppress(ClaimLost), self.tracing.part("store"):
                    await self._done(result)
            except (asyncio.CancelledError, EngineStopped):
                # Who cancels a job twice must not leave an exception behind that nobody asks for.
                await asyncio.shield(self._given_back(claim))
                raise

    async def _given_back(self, claim: Claim) -> None:
        with contextlib.suppress(ClaimLost, StoreUnavailable):  # found again at the next start, if not now
            await self.keeper.call(lambda store: store.clips.release(claim))

    async def _result(self, claim: Claim) -> Callable[[Store], object]:
        """What is to be written about a clip. Raises EngineStopped."""
        try:
            answer = await self._certified(claim)
        except EngineStopped:
            raise
        except SoundproofError as error:
            problem = problem_document(error)
        except Exception:  # a fault of ours fails this clip; the job goes on
            log.exception("clip %d of %s failed", claim.position, claim.job_id)
            problem = problem_document(WorkerFault("The service failed on this clip."))
        else:
            return lambda store: store.clips.finish(claim, answer.document)
        self.tracing.tell(problem=problem["code"])
        return lambda store: store.clips.fail(claim, problem)

    async def _certified(self, claim: Claim) -> Answer:
        if claim.number > MOST_CLAIMS:
            raise WorkerLost(f"This clip was begun {MOST_CLAIMS} times, and the service ended every time.")
        try:
            fields = CertifyFields.model_validate(claim.fields | {"label": claim.label} | claim.overrides)
        except ValidationError as error:
            raise InvalidPlan("What was asked of this clip is not taken by this version of the service.") from error
        ledger = ClipLedger(self.keeper, claim)
        with self.charges.begun(claim.job_id, claim.position) as payer:
            while True:
                try:
                    async with ledger.written():
                        return await self.certifier.certify_kept(fields, claim.audio, ledger, payer)
                except QueueFull as error:
                    await asyncio.sleep(error.retry_after_s)

    async def _done(self, what: Callable[[Store], T]) -> T:
        """What the store returns, however long it takes until it can be had. Raises ClaimLost."""
        wait_s = 1.0
        while True:
            try:
                return await self.keeper.call(what)
            except ClaimLost:
                raise
            except StoreUnavailable as error:
                log.warning("jobs wait for the store: %s", error.detail)
            except Exception:  # a fault of ours is not to end the work on every job
                log.exception("jobs wait for the store")
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def _claiming(held: Collection[Claim]) -> Callable[[Store], Claim | None]:
    """Claims the next clip, called as often as it takes. A call that failed may have claimed one all the same, which
    then goes back to the queue first. `held`: the claims that are worked on, which may become fewer meanwhile."""
    in_doubt = False

    def claim(store: Store) -> Claim | None:
        nonlocal in_doubt
        if in_doubt and store.clips.recover(tuple(held)):
            log.warning("the store gave a clip without saying so; it is back in the queue")
        in_doubt = True
        claimed = store.clips.claim()
        in_doubt = False
        return claimed

    return claim
