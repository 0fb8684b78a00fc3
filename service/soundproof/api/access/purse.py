"""Who pays for work, and what becomes of what was paid and not used."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from soundproof.api.access.bucket import Bucket

# Told of a key's name and of cost that was worked for it.
Spent = Callable[[str, float], None]


class Payer(Protocol):
    """Whom a piece of work is charged to, when it begins. `bounded`: whether there is an end to what is there."""

    @property
    def bounded(self) -> bool: ...

    def charge(self, cost: float) -> "Charge":
        """Raises BudgetExhausted and BudgetTooSmall; nothing is to be begun then."""


class Charge:
    """Around the work that was paid for. Ends when the work does:

    done: what was not `used` is given back (a gate that stopped early);
    failed: all of it is, since the caller got nothing;
    left by its caller: nothing is. What was drawn by then is not known to the last vote, and who starts and leaves
    again and again keeps the machine as busy as who waits.
    """

    def __init__(self, cost: float, ended: Callable[[float, float], None]) -> None:
        """`ended` is told of the cost that was used and of what is given back."""
        self.cost = cost
        self.used = cost
        self._ended = ended

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            used = min(self.used, self.cost)
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            used = self.cost
        else:
            used = 0.0
        self._ended(used, self.cost - used)


class Purse:
    """A key's. Without a `bucket` there is no end to it, but what is spent is told all the same."""

    def __init__(self, name: str, bucket: Bucket | None, spent: Spent) -> None:
        self.name = name
        self.bucket = bucket
        self._spent = spent

    @property
    def bounded(self) -> bool:
        return self.bucket is not None

    def check(self, cost: float) -> None:
        """Raises as `charge` does; takes nothing."""
        if self.bucket:
            self.bucket.check(cost)

    def charge(self, cost: float) -> Charge:
        if self.bucket:
            self.bucket.take(cost)
        return Charge(cost, self._ended)

    def _ended(self, used: float, unused: float) -> None:
        self._spent(self.name, used)
        if self.bucket and unused:
            self.bucket.give_back(unused)


class _Nobody(Purse):
    def __init__(self) -> None:
        super().__init__("", None, lambda _name, _cost: None)


# Of a service without keys, and of whatever was paid for before.
NOBODY = _Nobody()


@dataclass
class Prepaid:
    """A Payer for what was paid for before, as a whole: a clip of a job, the settings of a sweep, what a verification
    draws. Around all that is done about it: what was not used is given back at the end, everything where the answer
    came from the store; and where a piece of it fails, and the others are cancelled, it is the whole that has failed.
    """

    charged: Charge
    bounded: bool = field(default=False, init=False)
    _used: float = field(default=0.0, init=False)

    def charge(self, cost: float) -> Charge:
        """Never refused: what more it takes (a clip begun anew with another model) is not asked for."""
        return Charge(cost, self._ended)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.charged.used = self._used
        self.charged.__exit__(kind, error, trace)

    def _ended(self, used: float, _unused: float) -> None:
        self._used += used
