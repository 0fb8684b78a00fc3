"""SNRs against the reference vectors and decimals of 60 digits."""

import json
import math
from decimal import Decimal, localcontext
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundproof.stats.radius import snr_db

VECTORS = Path(__file__).parents[3] / "shared" / "reference" / "certification_vectors.json"
unhurried = settings(deadline=None, derandomize=True)


def test_known_snr() -> None:
    assert snr_db(126.49110640673517, 0.00799644378684583) == pytest.approx(83.9832620545311, abs=1e-9)


def test_every_snr_of_the_reference_vectors() -> None:
    if not VECTORS.exists():
        pytest.skip(f"no reference vectors at {VECTORS}")
    entries = json.loads(VECTORS.read_text())["snr_db"]
    assert entries
    for e in entries:
        assert snr_db(e["norm"], e["radius"]) == pytest.approx(e["snr_db"], abs=1e-9)


@unhurried
@given(st.floats(1e-9, 1e6), st.floats(1e-9, 1e6))
def test_the_snr_is_never_below_the_exact_one(norm: float, certified: float) -> None:
    snr = snr_db(norm, certified)
    assert snr is not None
    with localcontext(prec=60):
        exact = 20 * (Decimal(norm) / Decimal(certified)).log10()
        assert exact < Decimal(snr) < exact + Decimal("1e-9")


@pytest.mark.parametrize("norm", [1.0, math.nextafter(1.0, 2.0), math.nextafter(1.0, 0.0)])
def test_the_snr_is_rounded_up_near_zero_decibels(norm: float) -> None:
    snr = snr_db(norm, 1.0)
    assert snr is not None
    with localcontext(prec=60):
        assert Decimal(snr) > 20 * Decimal(norm).log10()


def test_a_silent_vector_has_no_snr() -> None:
    assert snr_db(0.0, 0.1) is None


@pytest.mark.parametrize(
    ("norm", "certified"), [(1.0, 0.0), (1.0, -1.0), (-1.0, 1.0), (math.nan, 1.0), (1.0, math.inf)]
)
def test_an_snr_of_nonsense_is_refused(norm: float, certified: float) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        snr_db(norm, certified)
