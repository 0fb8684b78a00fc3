"""Whether two contenders counted the same thing, and made the same radius of it."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from scipy.stats import fisher_exact
from tests.bench.case import Case, Outcome
from tests.bench.cohen import certified_radius

# Each comparison calls counts of the same classifier different with at most this probability.
FALSE_ALARM = 0.001


def compared(case: Case, outcomes: Mapping[str, Sequence[Outcome]]) -> list[str]:
    """One line a pair (Fisher's exact test on the votes for the selected class, summed over the rounds) and one on the
    formula: a radius is a function of the count, so where that is the same, radii agree exactly when counts do."""
    lines = []
    for one, other in combinations(outcomes, 2):
        if {o.top for o in outcomes[one]} != {o.top for o in outcomes[other]}:
            lines.append(f"* {one} and {other} DIFFER: they selected different classes")
            continue
        table = [votes(outcomes[one]), votes(outcomes[other])]
        p = float(fisher_exact(np.array(table)).pvalue)
        verdict = "agree" if p >= FALSE_ALARM else "DIFFER"
        shares = " and ".join(f"{hits}/{hits + misses}" for hits, misses in table)
        lines.append(f"* {one} and {other} {verdict}: {shares} votes for the class, Fisher's exact test p = {p:.3g}")
    off = max(distance(case, outcome) for rounds in outcomes.values() for outcome in rounds)
    lines.append(f"* every radius is Cohen et al.'s for its own count, to within {off:.1e}, relative")
    return lines


def votes(rounds: Sequence[Outcome]) -> tuple[int, int]:
    """For the selected class, and for all others."""
    hits = sum(outcome.count for outcome in rounds)
    return hits, sum(outcome.n for outcome in rounds) - hits


def distance(case: Case, outcome: Outcome) -> float:
    """Relative, between the radius that was answered and the formula's; infinite where only one abstained."""
    expected = certified_radius(outcome.count, case)
    if outcome.radius is None or expected is None:
        return 0.0 if outcome.radius is expected else float("inf")
    return abs(outcome.radius / expected - 1)
