"""Plans for tests: small, valid, and all alike but for what a test is about."""

import math
from typing import Any

from soundproof.smoothing.gated import Question, question_of
from soundproof.smoothing.plan import BoundName, ContractName, Plan, TransformName


def plan_with(**changes: Any) -> Plan:
    """A waveform plan of three classes, sigma 0.5, n0 = 100, n = 1000, alpha = 0.001, with `changes`."""
    fields: dict[str, Any] = {
        "model": "tiny",
        "model_digest": "digest",
        "classes": 3,
        "contract": ContractName.WAVEFORM,
        "transform": TransformName.FIXED,
        "sigma": 0.5,
        "n0": 100,
        "n": 1000,
        "alpha": 0.001,
        "bound": BoundName.CLOPPER_PEARSON,
        "seed": 7,
        "clip_sha256": "00",
        "dimension": 16_000,
    }
    return Plan(**fields | changes)


# The norm of the clip that gates are asked about.
NORM = 100.0


def target_of(reach: float, sigma: float = 0.5) -> float:
    """The SNR, in dB, of a perturbation of `reach` sigmas of a clip of norm NORM."""
    return 20 * math.log10(NORM / (reach * sigma))


def gate_plan(reach: float = 1.0, **changes: Any) -> Plan:
    """The same plan asking whether a radius of `reach` sigmas holds."""
    return plan_with(**{"target_snr_db": target_of(reach)} | changes)


def asked(plan: Plan) -> Question:
    """What such a plan asks of the clip."""
    question = question_of(plan, NORM)
    assert question is not None
    return question
