"""The request key: whatever alters a certificate alters it."""

from typing import Any

import pytest
from tests.smoothing.plans import gate_plan, plan_with

from soundproof.smoothing.plan import BoundName, ContractName, NoiseName, TransformName
from soundproof.store.request_key import request_key
from soundproof.terms import Precision

OTHERS: dict[str, Any] = {
    "model": "other",
    "model_digest": "other",
    "classes": 4,
    "contract": ContractName.POST_PROCESSED,
    "transform": TransformName.RMS,
    "sigma": 0.5000001,
    "n0": 101,
    "n": 1001,
    "alpha": 0.002,
    "bound": BoundName.MULTICLASS,
    "seed": 8,
    "clip_sha256": "01",
    "dimension": 16_001,
    "noise": NoiseName.LATTICE,
    "block_samples": 64,
    "precision": Precision.BFLOAT16,
    "target_snr_db": 30.0,
}


def key(plan_changes: dict[str, Any] | None = None, **changes: Any) -> str:
    content: dict[str, Any] = {"audio_sha256": "aa", "label": None, "seed_source": "service"} | changes
    return request_key(plan_with(**plan_changes or {}), **content)


def test_every_field_of_a_plan_is_tried_here() -> None:
    assert plan_with().__dataclass_fields__.keys() == OTHERS.keys()


@pytest.mark.parametrize("field", OTHERS)
def test_every_field_of_the_plan_makes_another_key(field: str) -> None:
    base = {"contract": ContractName.POST_PROCESSED} if field == "transform" else {}
    assert key(base | {field: OTHERS[field]}) != key(base)


@pytest.mark.parametrize("change", [{"audio_sha256": "ab"}, {"label": ""}, {"label": "yes"}, {"seed_source": "caller"}])
def test_file_label_and_source_of_the_seed_make_another_key(change: dict[str, Any]) -> None:
    assert key(**change) != key()


def test_the_same_request_has_the_same_key() -> None:
    assert key() == key()
    assert len(key()) == 64
    assert request_key(gate_plan(), audio_sha256="", label=None, seed_source="service") != key()
