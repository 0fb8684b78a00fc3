"""How much a key may spend: a token bucket, told by what is missing from it."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from soundproof.api_keys import Budget
from soundproof.errors import BudgetExhausted, BudgetTooSmall

# Waiting for as long as was said is enough, whatever the last digits of sums are.
ROUNDING = 1e-9


@dataclass
class Bucket:
    """Full at first. `clock`: seconds, of any origin, that never go back."""

    budget: Budget
    clock: Callable[[], float] = time.monotonic
    _spent: float = field(default=0.0, init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._at = self.clock()

    @property
    def left(self) -> float:
        """Cost that is there now; never below 0."""
        return max(0.0, self.budget.cost - self._now())

    def check(self, cost: float) -> None:
        """Raises BudgetTooSmall for what it never holds, and BudgetExhausted with the seconds after which it holds so
        much, if nothing else is taken meanwhile."""
        budget = self.budget
        if cost > budget.cost:
            raise BudgetTooSmall(
                f"This costs {cost:.4g} (noise samples x clip samples); the budget of this key is {budget.cost:.4g}.",
                "Ask for fewer votes, or fewer clips at a time.",
            )
        missing = self._now() + cost - budget.cost
        if missing > budget.cost * ROUNDING:
            retry_after_s = max(1, math.ceil(missing / budget.per_s))
            raise BudgetExhausted(
                f"This costs {cost:.4g} (noise samples x clip samples); the budget of this key has {self.left:.4g} "
                f"left of {budget.cost:.4g}.",
                f"Try again in {retry_after_s} s.",
                retry_after_s,
            )

    def take(self, cost: float) -> None:
        """Raises as `check` does, and then takes nothing."""
        self.check(cost)
        self._spent = self._now() + cost

    def give_back(self, cost: float) -> None:
        """Never to more than full."""
        self._spent = max(0.0, self._now() - cost)

    def replaced(self, budget: Budget) -> "Bucket":
        """A bucket of another size from which as much is missing."""
        bucket = Bucket(budget, self.clock)
        bucket._spent = min(self._now(), budget.cost)
        return bucket

    def _now(self) -> float:
        now = self.clock()
        self._spent = max(0.0, self._spent - (now - self._at) * self.budget.per_s)
        self._at = now
        return self._spent
