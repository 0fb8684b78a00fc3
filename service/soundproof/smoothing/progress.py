"""How a certification is doing while its votes come in. No torch here."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from soundproof.smoothing.certification import Votes, leader
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import Block, Plan
from soundproof.stats.anytime import running_error_bound
from soundproof.stats.radius import radius
from soundproof.stats.rounding import round_down


@dataclass(frozen=True)
class Progress:
    """`drawn` of at most `planned` noise samples, both stages together. `candidate`: the class that selection chose,
    once it has. `p_a_lower` and `radius`: what the estimation votes so far prove of it, at the plan's alpha and at
    every number of votes at once (stats/anytime.py): less than the certificate will, and never its own bound. None
    until there is such a vote; `radius` None where they prove none.
    """

    drawn: int
    planned: int
    candidate: int | None = None
    p_a_lower: float | None = None
    radius: float | None = None


Watch = Callable[[Progress], None]


class Running:
    """Adds up the votes as they come in, for `Progress`. A bound that may be looked at any time holds for votes in an
    order that their answers do not touch, so a block counts once all those before it are in. A gate, which looks at its
    votes by rules of its own, has no bound here."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._selection = _Prefix(plan, plan.blocks(Stage.SELECTION))
        gate = plan.target_snr_db is not None
        self._estimation = _Prefix(plan, () if gate else plan.blocks(Stage.ESTIMATION))
        self._seen: set[Block] = set()
        self._drawn = 0

    def record(self, block: Block, votes: Votes) -> None:
        """A block that comes twice is counted once."""
        if block not in self._seen:
            self._seen.add(block)
            self._drawn += block.samples
            (self._selection if block.stage is Stage.SELECTION else self._estimation).record(block, votes)

    @property
    def progress(self) -> Progress:
        plan, votes = self._plan, self._estimation.total
        candidate = leader(self._selection.counts) if self._selection.complete else None
        if candidate is None or not votes:
            return Progress(self._drawn, plan.n0 + plan.n, candidate)
        error_upper = plan.slack.widened(running_error_bound(self._estimation.counts[candidate], votes, plan.alpha))
        return Progress(
            self._drawn,
            plan.n0 + plan.n,
            candidate,
            p_a_lower=max(0.0, round_down(1.0 - error_upper)),
            radius=plan.slack.lessened(radius(plan.sigma, error_upper)),
        )


class _Prefix:
    """The votes of the first of `blocks`, as far as none is missing."""

    def __init__(self, plan: Plan, blocks: Iterable[Block]) -> None:
        self.counts = [0] * plan.classes
        self.total = 0
        self._missing = deque(blocks)
        self._waiting: dict[Block, Votes] = {}

    def record(self, block: Block, votes: Votes) -> None:
        if self._missing:
            self._waiting[block] = votes
        while self._missing and self._missing[0] in self._waiting:
            found = self._waiting.pop(self._missing.popleft())
            self.counts = [one + other for one, other in zip(self.counts, found.counts, strict=True)]
            self.total += found.total

    @property
    def complete(self) -> bool:
        return not self._missing
