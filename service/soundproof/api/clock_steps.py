"""Is the time of day to be believed?"""

import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

log = logging.getLogger("soundproof.store")

# What the clock may be corrected by between two looks without a doubt.
MOST_STEP_S = 600.0
# How long it has to go on steadily after a larger one, so that somebody can set it right.
DOUBT_S = 86_400.0


def running_s() -> float:
    """Seconds that nobody can set; unlike time.monotonic they go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()


@dataclass
class ClockSteps:
    """A clock that was set ahead by mistake makes everything look old: what would be deleted then cannot be brought
    back. Nothing is known of what happened before the process was started."""

    wall: Callable[[], float] = time.time
    running: Callable[[], float] = running_s
    _offset_s: float = field(init=False)
    _doubted_until: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        self._offset_s = self.wall() - self.running()

    def trusted(self) -> bool:
        """Whether the clock has not been set, since the last look and for a day before it."""
        now = self.running()
        offset_s = self.wall() - now
        step_s, self._offset_s = offset_s - self._offset_s, offset_s
        if abs(step_s) > MOST_STEP_S:
            self._doubted_until = now + DOUBT_S
            log.error("the clock was set by %+.0f s: nothing old is deleted for a day", step_s)
        return now >= self._doubted_until
