"""Known answers of the statistics, computed by another hand with scipy.stats.beta and scipy.special.ndtri.

They are the reference vectors', copied so that they are checked without ../shared too.
"""

from pathlib import Path

VECTORS = Path(__file__).parents[2] / "shared" / "reference" / "certification_vectors.json"

# n, k, alpha -> radius in sigmas; None where the votes abstain.
FIXED_BUDGET: list[tuple[int, int, float, float | None]] = [
    (10_000, 10_000, 0.001, 3.1985775147383313),
    (10_000, 9_999, 0.001, 3.113963592182625),
    (10_000, 9_900, 0.001, 2.2124196651021895),
    (10_000, 6_000, 0.001, 0.21405436897289035),
    (10_000, 5_156, 0.001, 0.00025058318595382636),
    (10_000, 5_155, 0.001, None),
    (1_000, 1_000, 0.001, 2.4632626147808088),
    (100, 100, 0.001, 1.5004750241206364),
    (10, 10, 0.001, 0.002975957771382331),
    (9, 9, 0.001, None),
    (100_000, 99_900, 0.001, 3.000200987668372),
    (10**7, 10**7, 0.001, 4.827647930277087),
    (10_000, 10_000, 1e-5, 3.048318326264015),
]
# From the vectors' note: float32 would overstate it as 5.2947.
HUGE_BUDGET = (10**8, 10**8, 0.001, 5.267684740905343)

# n, votes of the top class, of the runner-up, alpha -> radius in sigmas.
MULTICLASS: list[tuple[int, int, int, float, float | None]] = [
    (10_000, 6_000, 500, 0.001, 0.89352569316812),
    (10_000, 4_000, 1_500, 0.001, 0.34539294975613366),
    (10_000, 5_100, 4_900, 0.001, None),
]
