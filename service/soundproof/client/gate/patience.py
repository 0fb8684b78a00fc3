"""How often, and how long, a service is asked again that is busy, starting or out of reach."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx

from soundproof.client.client import ProblemError
from soundproof.client.gate.faults import ServiceFault, SuiteFault

Answer = TypeVar("Answer")

# What passes by itself: timeouts, a full queue, a service or a proxy in front of it that is not ready.
_PASSING = frozenset({408, 425, 429, 502, 503, 504})
# 503s that waiting does not mend.
_LASTING = frozenset({"model_refused", "model_unavailable", "device_memory_exhausted"})


@dataclass(frozen=True)
class Patience:
    """Waits of `first_s`, twice as long each time up to `longest_s`, `total_s` in all for one answer. A Retry-After is
    waited out in full. Every wait is lengthened by up to a half of the back-off, at random, so that many who were sent
    away together do not come back together.

    `sleep` and `chance` (uniform in [0, 1)) are arguments for the tests' sake.
    """

    total_s: float = 300.0
    first_s: float = 0.5
    longest_s: float = 30.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random

    async def of(self, ask: Callable[[], Awaitable[Answer]], tell: Callable[[str], None]) -> Answer:
        """What `ask` returns in the end; `tell` is told of every wait. Raises what does not pass by itself as it is,
        and ServiceFault when patience is at its end."""
        waited, backoff = 0.0, self.first_s
        while True:
            try:
                return await ask()
            except httpx.UnsupportedProtocol as error:
                raise SuiteFault(f"--url: {error}") from error
            except (ProblemError, httpx.TransportError) as error:
                if not passing(error):
                    raise
                wait = self._wait(error, backoff)
                if waited + wait > self.total_s:
                    raise ServiceFault(self._given_up(error, waited, wait)) from error
                tell(f"{_said(error)}; asking again in {wait:.1f} s")
            await self.sleep(wait)
            waited += wait
            backoff = min(2 * backoff, self.longest_s)

    def _wait(self, error: Exception, backoff: float) -> float:
        asked = getattr(error, "retry_after_s", None)
        return max(backoff, asked or 0.0) + backoff / 2 * self.chance()

    def _given_up(self, error: Exception, waited: float, wait: float) -> str:
        return f"{_said(error)}. Given up after {waited:.0f} s: waiting {wait:.0f} s more exceeds --patience."


def passing(error: ProblemError | httpx.TransportError) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(error, ProblemError):
        return error.status in _PASSING and error.code not in _LASTING
    return True


def _said(error: Exception) -> str:
    if isinstance(error, ProblemError):
        return f"The service answered {error.status} {error.code}: {error.detail}".rstrip(".")
    return f"The service cannot be reached ({type(error).__name__}: {error})".replace(": )", ")")
