"""How often, and how long, a service is asked again that is busy, starting or out of reach."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import httpx

from soundproof.client.problem import PatienceOver, ProblemError

Answer = TypeVar("Answer")
Tell = Callable[[str], None]

log = logging.getLogger("soundproof.client")

# What may pass by itself; `passing` tells which of these do.
TROUBLE = (ProblemError, httpx.TransportError)
# Timeouts, a full queue, a service or a proxy in front of it that is not ready.
_PASSING = frozenset({408, 425, 429, 502, 503, 504})
# 503s that waiting does not mend.
_LASTING = frozenset({"model_refused", "model_unavailable", "device_memory_exhausted", "store_refused"})


@dataclass(frozen=True)
class Patience:
    """Waits of `first_s`, twice as long each time up to `longest_s`, `total_s` in all for one answer. A Retry-After is
    waited out in full. Every wait is lengthened by up to a half of the back-off, at random, so that many who were sent
    away together do not come back together.

    The sleeps and `chance` (uniform in [0, 1)) are arguments for the tests' sake.
    """

    total_s: float = 300.0
    first_s: float = 0.5
    longest_s: float = 30.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    sleep_sync: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    async def of(self, ask: Callable[[], Awaitable[Answer]], tell: Tell = log.info) -> Answer:
        """What `ask` returns in the end; `tell` is told of every wait. Raises what does not pass by itself as it is,
        and PatienceOver."""
        waits = Waits(self, tell)
        while True:
            try:
                return await ask()
            except TROUBLE as error:
                wait_s = waits.after(error)
            await self.sleep(wait_s)

    def of_sync(self, ask: Callable[[], Answer], tell: Tell = log.info) -> Answer:
        """As `of`."""
        waits = Waits(self, tell)
        while True:
            try:
                return ask()
            except TROUBLE as error:
                wait_s = waits.after(error)
            self.sleep_sync(wait_s)


@dataclass
class Waits:
    """The waits for one answer."""

    patience: Patience
    tell: Tell = log.info
    _waited_s: float = field(default=0.0, init=False)
    _backoff_s: float = field(default=0.0, init=False)

    def after(self, error: Exception) -> float:
        """Seconds to wait before asking again. Raises what does not pass by itself as it is, and PatienceOver."""
        if not passing(error):
            raise error
        patience = self.patience
        self._backoff_s = min(2 * self._backoff_s, patience.longest_s) or patience.first_s
        asked_s = getattr(error, "retry_after_s", None) or 0.0
        wait_s = max(self._backoff_s, asked_s) + self._backoff_s / 2 * patience.chance()
        if self._waited_s + wait_s > patience.total_s:
            raise PatienceOver(
                f"{_said(error)}. Given up after {self._waited_s:.0f} s: waiting {wait_s:.0f} s more exceeds the "
                f"patience of {patience.total_s:.12g} s."
            ) from error
        self.tell(f"{_said(error)}; asking again in {wait_s:.1f} s")
        self._waited_s += wait_s
        return wait_s


def passing(error: Exception) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(error, ProblemError):
        return error.status in _PASSING and error.code not in _LASTING
    return isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol)


def _said(error: Exception) -> str:
    if isinstance(error, ProblemError):
        return f"The service answered {error.status} {error.code}: {error.detail}".rstrip(".")
    return f"The service cannot be reached ({type(error).__name__}: {error})".replace(": )", ")")
