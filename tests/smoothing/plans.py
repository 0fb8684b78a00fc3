"""Plans for tests: small, valid, and all alike but for what a test is about."""

from typing import Any

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
    }
    return Plan(**fields | changes)
