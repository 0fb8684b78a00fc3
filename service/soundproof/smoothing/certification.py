"""The state machine of one certification: which blocks are wanted, what their votes add up to, what follows.

Pure: no torch, no clock, no I/O. Only this module looks at counts, and only once all of them are in: a bound for a
fixed n does not survive peeking.
"""

from dataclasses import dataclass, field

from soundproof.errors import InvalidPlan
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import Block, BoundName, Plan
from soundproof.stats.bounds import error_upper_bound, share_upper_bound
from soundproof.stats.radius import multiclass_radius, radius, round_down


@dataclass(frozen=True)
class Geometry:
    """Sums over noise samples of |‖Δ‖ - ‖ε‖| / ‖ε‖ and of ‖Δ‖ / ‖ε‖, where Δ is what the classifier really got to
    see beside the clean point and ε the noise drawn (arXiv:2606.04210, section 4). Additive, like counts."""

    deviation_sum: float = 0.0
    ratio_sum: float = 0.0
    samples: int = 0

    def __add__(self, other: "Geometry") -> "Geometry":
        return Geometry(
            self.deviation_sum + other.deviation_sum, self.ratio_sum + other.ratio_sum, self.samples + other.samples
        )

    @property
    def d_geom(self) -> float:
        return self.deviation_sum / self.samples

    @property
    def effective_norm_ratio(self) -> float:
        return self.ratio_sum / self.samples


@dataclass(frozen=True)
class Votes:
    """The votes of one block: `counts[c]` for class c, `invalid` whose logits were not finite (they count against
    every class and n never shrinks), and the geometry where it was measured."""

    counts: tuple[int, ...]
    invalid: int = 0
    geometry: Geometry = Geometry()

    @property
    def total(self) -> int:
        return sum(self.counts) + self.invalid


@dataclass(frozen=True, kw_only=True)
class Tally:
    """All votes of a finished certification."""

    selection: tuple[int, ...]
    estimation: tuple[int, ...]
    invalid: int  # estimation votes whose logits were not finite
    geometry: Geometry


@dataclass(frozen=True, kw_only=True)
class Certified:
    """With probability >= 1 - alpha over the draws, the smoothed classifier answers `prediction` everywhere within
    l2 distance `radius` of the point, in the contract's space (Cohen et al. 2019, Theorem 1 and Algorithm CERTIFY)."""

    prediction: int
    radius: float
    p_a_lower: float
    saturated: bool
    tally: Tally


@dataclass(frozen=True, kw_only=True)
class Abstained:
    """The votes do not support any radius. `candidate` is the class that selection proposed, if any."""

    reason: str
    candidate: int | None
    p_a_lower: float | None
    tally: Tally


@dataclass
class Certification:
    """Feed it the votes of the wanted blocks, in any order, and ask for the outcome."""

    plan: Plan
    _votes: dict[Block, Votes] = field(default_factory=dict)

    def wanted(self) -> tuple[Block, ...]:
        """The blocks whose votes are still missing, selection first. Estimation does not wait for selection: its
        counts are kept for all classes, and which of them counts is decided by the selection votes alone."""
        every = (*self.plan.blocks(Stage.SELECTION), *self.plan.blocks(Stage.ESTIMATION))
        return tuple(block for block in every if block not in self._votes)

    def record(self, block: Block, votes: Votes) -> None:
        """Take the votes of a block. A block that comes twice, after a crash, is counted once: it is the same noise.

        InvalidPlan for a block of another plan and for votes that do not fit the block."""
        if block not in self.plan:
            raise InvalidPlan(f"{block} is not of this plan.")
        fits = len(votes.counts) == self.plan.classes and votes.total == block.samples
        if not fits or min(*votes.counts, votes.invalid) < 0:
            raise InvalidPlan(f"{votes.total} votes over {len(votes.counts)} classes do not fit {block}.")
        self._votes.setdefault(block, votes)

    def outcome(self) -> Certified | Abstained:
        """Only once nothing is wanted any more; RuntimeError before."""
        if self.wanted():
            raise RuntimeError("a certification has no outcome before all its votes are in")
        return decide(self.plan, self._tally())

    def _tally(self) -> Tally:
        def counts(stage: Stage) -> tuple[int, ...]:
            votes = [v.counts for block, v in self._votes.items() if block.stage is stage]
            return tuple(map(sum, zip(*votes, strict=True)))

        return Tally(
            selection=counts(Stage.SELECTION),
            estimation=counts(Stage.ESTIMATION),
            invalid=sum(v.invalid for block, v in self._votes.items() if block.stage is Stage.ESTIMATION),
            # In a fixed order, since sums of floats depend on it and a certificate must not.
            geometry=sum((self._votes[block].geometry for block in sorted(self._votes, key=_position)), Geometry()),
        )


def decide(plan: Plan, tally: Tally) -> Certified | Abstained:
    """What the votes prove. The top class comes from the selection votes only (ties: the lowest index), the bound
    from the estimation votes only; Cohen et al. 2019."""
    if not any(tally.selection):
        return Abstained(
            reason="no selection vote was for a class: the logits were not finite",
            candidate=None,
            p_a_lower=None,
            tally=tally,
        )
    top = max(range(plan.classes), key=lambda c: tally.selection[c])
    k = tally.estimation[top]
    error_upper = error_upper_bound(k, plan.n, plan.bound_alpha)
    p_a_lower = max(0.0, round_down(1.0 - error_upper))
    if plan.bound is BoundName.MULTICLASS:
        runner_up = max(*(n for c, n in enumerate(tally.estimation) if c != top), tally.invalid)
        certified = multiclass_radius(plan.sigma, error_upper, share_upper_bound(runner_up, plan.n, plan.bound_alpha))
    else:
        certified = radius(plan.sigma, error_upper)
    if certified is None or certified <= 0:
        return Abstained(
            reason=f"{k} of {plan.n} votes for the selected class do not show that it leads",
            candidate=top,
            p_a_lower=p_a_lower,
            tally=tally,
        )
    return Certified(prediction=top, radius=certified, p_a_lower=p_a_lower, saturated=k == plan.n, tally=tally)


def _position(block: Block) -> tuple[int, int]:
    return block.stage, block.index
