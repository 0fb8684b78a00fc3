"""The way from SIGTERM to the end: no accepted request is left without an answer, no clip of a job is lost."""

import asyncio
import logging
import time
from dataclasses import dataclass, field

from soundproof.api.jobs.runner import Runner
from soundproof.engine.pool import Pool

log = logging.getLogger("soundproof.api")


@dataclass
class Draining:
    """`begin` and `hurry` may be called by a signal handler; `watched` is asked again and again from then on.

    From its beginning readiness is off, new work is answered 503 `engine_stopped`, and clips of jobs go back to the
    queue with the votes they have. What was let in before has `limit_s` seconds to end; what has not ended by then is
    answered 503 `engine_stopped` too.
    """

    pool: Pool
    runner: Runner
    limit_s: float
    begun: bool = False
    hurried: bool = False
    _work: asyncio.Task[None] | None = field(default=None, init=False)
    _until: float = field(default=float("inf"), init=False)

    def begin(self) -> None:
        self.begun = True

    def hurry(self) -> None:
        """What is under way is answered 503 now."""
        self.hurried = True

    def watched(self, requests: int) -> bool:
        """Whether it is over, and the server may end, which has so many requests that are not answered to the end:
        while an upload is on its way, or is decoded, the engine does not know of it yet."""
        if self.begun and self._work is None:
            self._work = asyncio.create_task(self._drain())
            self._until = time.monotonic() + self.limit_s
        if self.hurried:
            self.pool.give_up()
        if self._work is None or not self._work.done():
            return False
        return not requests or self.hurried or time.monotonic() >= self._until

    async def _drain(self) -> None:
        log.info("shutting down: what is under way has %g s", self.limit_s)
        _, given_up = await asyncio.gather(self.runner.hand_back(), self.pool.drain(self.limit_s))
        log.info("drained: %d certifications were given up", given_up)
