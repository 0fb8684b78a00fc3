"""Who may wait: a bounded, cost-aware door in front of the workers."""

import math
from dataclasses import dataclass, field

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


@dataclass(eq=False)
class Ticket:
    """An admitted run's claim on the limits; `cost`: of the work that is left of it."""

    cost: float
    audio_bytes: int


@dataclass
class Admission:
    """Admits while all three limits hold, else says when to come back. A single run is always let in when nothing
    else is there, so no request that passed validation is refused for ever."""

    limits: Limits
    cost_per_second: float  # an estimate to begin with; measured from then on
    _admitted: set[Ticket] = field(default_factory=set, init=False)

    @property
    def runs(self) -> int:
        """How many runs are admitted and not yet left."""
        return len(self._admitted)

    def admit(self, ticket: Ticket, *, begun_anew: bool = False) -> None:
        """Raises QueueFull with the seconds after which the work in front should have left room.

        `begun_anew`: a run that was let in before, and is begun again for no fault of its caller, is not refused now.
        """
        seconds = self._wait_s(ticket)
        if self._admitted and seconds is not None and not begun_anew:
            retry_after_s = max(1, min(math.ceil(seconds), LONGEST_RETRY_AFTER_S))
            raise QueueFull(
                f"There is no room for another request beside the {self.runs} admitted.",
                f"Try again in {retry_after_s} s.",
                retry_after_s,
            )
        self._admitted.add(ticket)

    def worked(self, ticket: Ticket, cost: float, seconds: float) -> None:
        """`cost` of the ticket's work was done in `seconds`."""
        if seconds > 0:
            self.cost_per_second += SMOOTHING * (cost / seconds - self.cost_per_second)
        ticket.cost -= cost

    def leave(self, ticket: Ticket) -> None:
        """The run is over, however it ended; what is left of its claim is free."""
        self._admitted.remove(ticket)

    def _wait_s(self, ticket: Ticket) -> float | None:
        """After how many seconds there should be room; None when there is."""
        excess = sum(each.cost for each in self._admitted) + ticket.cost - self.limits.cost
        waits = [excess] if excess > 0 else []
        audio_bytes = sum(each.audio_bytes for each in self._admitted) + ticket.audio_bytes
        if self._admitted and (self.runs >= self.limits.runs or audio_bytes > self.limits.audio_bytes):
            # Workers take turns between the runs: the one with the least left ends when each had as much.
            waits.append(self.runs * min(each.cost for each in self._admitted))
        return max(waits) / self.cost_per_second if waits else None
