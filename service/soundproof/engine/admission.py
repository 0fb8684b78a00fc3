"""Who may wait: a bounded, cost-aware door in front of the workers."""

import math
from dataclasses import dataclass

from soundproof.errors import QueueFull

# How quickly the measured speed follows the newest work.
SMOOTHING = 0.2
LONGEST_RETRY_AFTER_S = 600


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What may be admitted at once: runs, their cost in noise samples x clip samples, and the audio they hold."""

    runs: int
    cost: float
    audio_bytes: int


@dataclass(frozen=True)
class Ticket:
    """An admitted run's claim on the limits."""

    cost: float
    audio_bytes: int


@dataclass
class Admission:
    """Admits while all three limits hold, else says when to come back. A single run is always let in when nothing
    else is there, so no request that passed validation is refused for ever."""

    limits: Limits
    cost_per_second: float  # an estimate to begin with; measured from then on
    _runs: int = 0
    _cost: float = 0.0
    _audio_bytes: int = 0

    @property
    def runs(self) -> int:
        """How many runs are admitted and not yet left."""
        return self._runs

    def admit(self, ticket: Ticket, *, begun_anew: bool = False) -> None:
        """Raises QueueFull with the seconds after which the work in front should have left room.

        `begun_anew`: a run that was let in before, and is begun again for no fault of its caller, is not refused now.
        """
        over = (
            self._runs + 1 > self.limits.runs
            or self._cost + ticket.cost > self.limits.cost
            or self._audio_bytes + ticket.audio_bytes > self.limits.audio_bytes
        )
        if self._runs and over and not begun_anew:
            seconds = self._retry_after_s(ticket)
            raise QueueFull(
                f"There is no room for another request beside the {self._runs} admitted.",
                f"Try again in {seconds} s.",
                seconds,
            )
        self._runs += 1
        self._cost += ticket.cost
        self._audio_bytes += ticket.audio_bytes

    def worked(self, ticket: Ticket, cost: float, seconds: float) -> Ticket:
        """`cost` of the ticket's work was done in `seconds`; the rest of the claim."""
        if seconds > 0:
            self.cost_per_second += SMOOTHING * (cost / seconds - self.cost_per_second)
        self._cost -= cost
        return Ticket(ticket.cost - cost, ticket.audio_bytes)

    def claims(self, ticket: Ticket, cost: float) -> Ticket:
        """The ticket's work turned out to be `cost` from here on, as far as it is known."""
        self._cost += cost - ticket.cost
        return Ticket(cost, ticket.audio_bytes)

    def leave(self, ticket: Ticket) -> None:
        """The run is over, however it ended; its remaining claim is free."""
        self._runs -= 1
        self._cost -= ticket.cost
        self._audio_bytes -= ticket.audio_bytes

    def _retry_after_s(self, ticket: Ticket) -> int:
        # Runs share the workers fairly and end at about the same time, so room by count or by bytes comes with the
        # average run's end; room by cost comes as soon as the excess is worked off.
        excess = self._cost + ticket.cost - self.limits.cost
        average_left = self._cost / self._runs
        seconds = max(excess, average_left) / self.cost_per_second
        return max(1, min(math.ceil(seconds), LONGEST_RETRY_AFTER_S))
