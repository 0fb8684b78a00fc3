"""Time as the store keeps it."""

from collections.abc import Callable
from datetime import UTC, datetime

# Seconds since 1970, UTC; time.time in a running service.
Clock = Callable[[], float]


def milliseconds(clock: Clock) -> int:
    return round(clock() * 1000)


def moment(ms: int) -> datetime:
    """Milliseconds since 1970 -> UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)
