"""The gate: does a clip hold down to a target SNR, asked with as few votes as possible?

A plan names the target; what it means for a clip (`Question`) is known once the clip is prepared, since the target
radius is a share of its norm. Estimation votes are drawn from look to look, and only looks decide: verdict and number
of votes follow from the noise alone, never from the order in which blocks arrive. stats/gate.py has the test itself.
No torch here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from scipy.special import ndtri

from soundproof.errors import ImpossiblePlan
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import SIGMA_RANGE, TARGET_SNR_DB_RANGE, Block, Plan
from soundproof.stats.gate import MAX_VOTES, Gate, gate, null_error, smallest_votes
from soundproof.stats.rounding import format_up, round_up
from soundproof.stats.slack import Slack

# Significant digits of what a refusal says would do; rounded up, so that it does.
HINT_DIGITS = 6


class Verdict(StrEnum):
    """How a gate ended.

    `certified`  at a look there were as few errors as its boundary asks for.
    `refuted`    there were more errors than the last look allows, so that no later one can certify: before all n votes
                 were drawn, or after them with at least the share of errors that a clip out of reach has (q0). No proof
                 that the clip does not hold: only this gate cannot certify it any more.
    `undecided`  all n votes were drawn, and their share of errors is below q0 but not by enough: more may certify.
    `abstained`  selection found no class to ask about.
    """

    CERTIFIED = "certified"
    REFUTED = "refuted"
    UNDECIDED = "undecided"
    ABSTAINED = "abstained"


@dataclass(frozen=True)
class Question:
    """`target_radius`: the l2 distance, in the certified waveform's amplitude, that the target SNR allows a
    perturbation; what the gate tests, never less than the target means."""

    target_snr_db: float
    target_radius: float
    gate: Gate

    def blocks(self, look: int, block_samples: int) -> tuple[Block, ...]:
        """The estimation blocks between the look before and this one, counted from 0, in order: `block_samples` noise
        samples each, the last before a look perhaps fewer. Every block of the gate has an index of its own."""
        counts = [-(-(end - start) // block_samples) for start, end in self._steps[: look + 1]]
        first, (start, end) = sum(counts[:-1]), self._steps[look]
        return tuple(
            Block(Stage.ESTIMATION, first + index, min(block_samples, end - start - index * block_samples))
            for index in range(counts[-1])
        )

    @property
    def _steps(self) -> tuple[tuple[int, int], ...]:
        return tuple(zip((0, *self.gate.looks), self.gate.looks, strict=False))


@dataclass(frozen=True)
class Look:
    """What a look found: `errors` of the first `votes` estimation votes; at most `most_errors` certify there."""

    votes: int
    errors: int
    most_errors: int


@dataclass(frozen=True)
class Answer:
    """How a gate went: its looks so far, the last of which decided; none where selection found no class."""

    question: Question
    looks: tuple[Look, ...]
    verdict: Verdict


def question_of(plan: Plan, norm: float) -> Question | None:
    """What `plan` asks of a clip whose certified waveform has l2 norm `norm`, in amplitude; None if it is not a gate.

    The target radius, norm * 10^(-target / 20), is rounded up: every perturbation with the target SNR or more is in the
    ball. On a lattice it holds around the clip if it holds, enlarged by the slack, around the point where the votes are
    drawn; where that does not hold, an error is drawn with probability q0 at least, less the slack.
    Takes up to 40 ms (n = 1,000,000). Raises ImpossiblePlan, naming what could succeed, when not even unanimous votes
    would pass.
    """
    if plan.target_snr_db is None:
        return None
    if norm == 0:
        raise ImpossiblePlan(
            "A silent clip has no SNR, so no target_snr_db can be asked of it.",
            "Leave target_snr_db out to ask for the largest radius.",
        )
    target_radius = round_up(norm * 10 ** (-plan.target_snr_db / 20))
    q0 = plan.slack.narrowed(null_error(plan.slack.enlarged(target_radius), plan.sigma))
    needed = smallest_votes(q0, plan.alpha)
    if needed > plan.n:
        raise ImpossiblePlan(
            f"{plan.n} votes at sigma {plan.sigma:.12g} cannot certify this clip down to an SNR of "
            f"{plan.target_snr_db:.12g} dB at alpha {plan.alpha:g}, even when all agree.",
            _what_could(plan, norm, target_radius, needed),
        )
    return Question(plan.target_snr_db, target_radius, gate(q0, plan.n, plan.alpha))


def verdict_at(of: Gate, looks: Sequence[Look]) -> Verdict | None:
    """What the last of these looks decides; None when the gate goes on."""
    last = looks[-1]
    if last.errors <= last.most_errors:
        return Verdict.CERTIFIED
    if last.votes < of.looks[-1]:
        return Verdict.REFUTED if last.errors >= of.hopeless_errors else None
    return Verdict.REFUTED if last.errors >= of.null_error * last.votes else Verdict.UNDECIDED


def _what_could(plan: Plan, norm: float, target_radius: float, needed: float) -> str:
    """The n, the sigma and the target, each with the others as they are, that unanimous votes would pass."""
    ways = []
    if needed <= MAX_VOTES:
        ways.append(f"n of at least {needed:.0f}")
    reach = _reach(plan.n, plan.alpha, plan.slack_in_sigmas)  # in sigmas
    if reach > 0:
        sigma = float(format_up(target_radius / reach, HINT_DIGITS))
        if sigma <= SIGMA_RANGE[1]:
            ways.append(f"sigma of at least {sigma:.12g}")
        target = float(format_up(20 * math.log10(norm / (reach * plan.sigma)), HINT_DIGITS))
        if target <= TARGET_SNR_DB_RANGE[1]:
            ways.append(f"target_snr_db of at least {target:.12g}")
    return f"Ask for {' or '.join(ways)}." if ways else "Ask for a higher target_snr_db."


def _reach(n: int, alpha: float, slack: Slack) -> float:
    """The largest radius, in sigmas, that a gate of n unanimous votes can certify, less a little for rounding.
    `slack`: its distance in sigmas too."""
    return -float(ndtri(-math.expm1(math.log(alpha) / n * (1 + 1e-5)) + slack.error)) - slack.distance - 1e-9
