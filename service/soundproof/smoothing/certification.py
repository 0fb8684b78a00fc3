"""The state machine of one certification: which blocks are wanted, what their votes add up to, what follows.

Pure: no torch, no clock, no I/O. Only this module looks at counts, and only once all of them are in: a bound for a
fixed n does not survive peeking. A gate is made for it, and looks after so many votes as it has laid down beforehand.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from soundproof.errors import InvalidPlan
from soundproof.smoothing.gated import Answer, Look, Question, Verdict, verdict_at
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import Block, BoundName, Plan
from soundproof.stats.bounds import error_upper_bound, share_upper_bound
from soundproof.stats.radius import multiclass_radius, radius, round_down

NO_CLASS = "no selection vote was for a class: the logits were not finite"


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

    @property
    def used(self) -> int:
        """The estimation votes that were drawn."""
        return sum(self.estimation) + self.invalid


@dataclass(frozen=True, kw_only=True)
class Certified:
    """With probability >= 1 - alpha over the draws, the smoothed classifier answers `prediction` everywhere within
    l2 distance `radius` of the point, in the contract's space (Cohen et al. 2019, Theorem 1 and Algorithm CERTIFY).

    `answer`: where a gate was asked, how it went; the radius is then the one it tested, whatever more the votes say."""

    prediction: int
    radius: float
    p_a_lower: float
    saturated: bool
    tally: Tally
    answer: Answer | None = None


@dataclass(frozen=True, kw_only=True)
class Abstained:
    """The votes do not support any radius. `candidate` is the class that selection proposed, if any."""

    reason: str
    candidate: int | None
    p_a_lower: float | None
    tally: Tally
    answer: Answer | None = None


@dataclass
class Certification:
    """Feed it the votes of the wanted blocks, in any order, and ask for the outcome.

    For a gate, ask() what it asks of the clip as well: until then only selection votes are wanted, from then on the
    estimation votes up to the next look too, and when these are in either none or those up to the look after."""

    plan: Plan
    _votes: dict[Block, Votes] = field(default_factory=dict, init=False)
    _asked: dict[Block, None] = field(init=False)  # every block that was ever wanted, in order
    _question: Question | None = field(default=None, init=False)
    _looks: list[Look] = field(default_factory=list, init=False)
    _candidate: int | None = field(default=None, init=False)  # of a gate, once its selection votes are in
    _verdict: Verdict | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._asked = dict.fromkeys(self.plan.blocks(Stage.SELECTION))
        if self.plan.target_snr_db is None:
            self._asked |= dict.fromkeys(self.plan.blocks(Stage.ESTIMATION))

    def ask(self, question: Question) -> tuple[Block, ...]:
        """What the plan's gate asks of the clip; the blocks that are wanted from now on and were not before. A question
        that comes twice, after a crash, is asked once.

        InvalidPlan when the plan is no gate."""
        if self.plan.target_snr_db is None:
            raise InvalidPlan("This plan has no target SNR.")
        if self._question is not None:
            return ()
        self._question = question
        return self._ask_up_to_next_look(question)

    def wanted(self) -> tuple[Block, ...]:
        """The blocks whose votes are still missing, selection first. Estimation does not wait for selection: its
        counts are kept for all classes, and which of them counts is decided by the selection votes alone."""
        if len(self._votes) == len(self._asked):
            return ()
        return tuple(block for block in self._asked if block not in self._votes)

    def record(self, block: Block, votes: Votes) -> None:
        """Take the votes of a block. A block that comes twice, after a crash, is counted once: it is the same noise.

        InvalidPlan for a block of another plan and for votes that do not fit the block."""
        if block not in self._asked:
            raise InvalidPlan(f"{block} is not of this plan.")
        fits = len(votes.counts) == self.plan.classes and votes.total == block.samples
        if not fits or min(*votes.counts, votes.invalid) < 0:
            raise InvalidPlan(f"{votes.total} votes over {len(votes.counts)} classes do not fit {block}.")
        self._votes.setdefault(block, votes)
        if self._question is not None and self._verdict is None and len(self._votes) == len(self._asked):
            self._look(self._question)

    def outcome(self) -> Certified | Abstained:
        """Only once nothing is wanted any more; RuntimeError before."""
        if self.wanted() or (self.plan.target_snr_db is not None and self._verdict is None):
            raise RuntimeError("a certification has no outcome before all its votes are in")
        if self._question is not None and self._verdict is not None:
            answer = Answer(self._question, tuple(self._looks), self._verdict)
            return answered(self.plan, self._candidate, answer, self._tally())
        return decide(self.plan, self._tally())

    def _ask_up_to_next_look(self, question: Question) -> tuple[Block, ...]:
        blocks = question.blocks(len(self._looks), self.plan.block_samples)
        self._asked |= dict.fromkeys(blocks)
        return blocks

    def _look(self, question: Question) -> None:
        """All votes up to a look are in: end, or want those up to the next."""
        if not self._looks:
            self._candidate = leader(self._counts(Stage.SELECTION))
        if self._candidate is None:
            self._verdict = Verdict.ABSTAINED
            return
        top = self._candidate
        votes, most_errors = question.gate.looks[len(self._looks)], question.gate.most_errors[len(self._looks)]
        right = sum(v.counts[top] for block, v in self._votes.items() if block.stage is Stage.ESTIMATION)
        self._looks.append(Look(votes, votes - right, most_errors))
        self._verdict = verdict_at(question.gate, self._looks)
        if self._verdict is None:
            self._ask_up_to_next_look(question)

    def _counts(self, stage: Stage) -> tuple[int, ...]:
        votes = [v.counts for block, v in self._votes.items() if block.stage is stage]
        return tuple(map(sum, zip(*votes, strict=True)))

    def _tally(self) -> Tally:
        return Tally(
            selection=self._counts(Stage.SELECTION),
            estimation=self._counts(Stage.ESTIMATION),
            invalid=sum(v.invalid for block, v in self._votes.items() if block.stage is Stage.ESTIMATION),
            # In a fixed order, since sums of floats depend on it and a certificate must not.
            geometry=sum((self._votes[block].geometry for block in sorted(self._votes, key=_position)), Geometry()),
        )


def decide(plan: Plan, tally: Tally) -> Certified | Abstained:
    """What the votes prove. The top class comes from the selection votes only (ties: the lowest index), the bound
    from the estimation votes only; Cohen et al. 2019. Both bounds and the radius give up the plan's slack."""
    top = leader(tally.selection)
    if top is None:
        return Abstained(reason=NO_CLASS, candidate=None, p_a_lower=None, tally=tally)
    k = tally.estimation[top]
    error_upper = plan.slack.widened(error_upper_bound(k, plan.n, plan.bound_alpha))
    p_a_lower = max(0.0, round_down(1.0 - error_upper))
    if plan.bound is BoundName.MULTICLASS:
        runner_up = max(*(n for c, n in enumerate(tally.estimation) if c != top), tally.invalid)
        runner_up_upper = plan.slack.widened(share_upper_bound(runner_up, plan.n, plan.bound_alpha))
        around_point = multiclass_radius(plan.sigma, error_upper, runner_up_upper)
    else:
        around_point = radius(plan.sigma, error_upper)
    certified = plan.slack.lessened(around_point)
    if certified is None:
        return Abstained(
            reason=f"{k} of {plan.n} votes for the selected class do not show that it leads",
            candidate=top,
            p_a_lower=p_a_lower,
            tally=tally,
        )
    return Certified(prediction=top, radius=certified, p_a_lower=p_a_lower, saturated=k == plan.n, tally=tally)


def answered(plan: Plan, candidate: int | None, answer: Answer, tally: Tally) -> Certified | Abstained:
    """What a gate proves about the class that selection chose. A certified one has rejected, at level alpha, that an
    error has probability q0 or more: p_A > 1 - q0, less the plan's slack, and the radius that it asked for holds."""
    gate = answer.question.gate
    if candidate is None:
        return Abstained(reason=NO_CLASS, candidate=None, p_a_lower=None, tally=tally, answer=answer)
    if answer.verdict is not Verdict.CERTIFIED:
        last = answer.looks[-1]
        return Abstained(
            reason=f"{last.errors} of {last.votes} votes are not for the selected class; "
            f"a gate of {gate.looks[-1]} votes certifies with at most {gate.most_errors[-1]} such votes",
            candidate=candidate,
            p_a_lower=None,
            tally=tally,
            answer=answer,
        )
    return Certified(
        prediction=candidate,
        radius=answer.question.target_radius,
        p_a_lower=max(0.0, round_down(1.0 - plan.slack.widened(gate.null_error))),
        saturated=False,  # more votes would not prove more of what was asked
        tally=tally,
        answer=answer,
    )


def leader(selection: Sequence[int]) -> int | None:
    """The class with the most selection votes, the lowest index among equals; None without a vote for any class."""
    return max(range(len(selection)), key=lambda c: selection[c]) if any(selection) else None


def _position(block: Block) -> tuple[int, int]:
    return block.stage, block.index
