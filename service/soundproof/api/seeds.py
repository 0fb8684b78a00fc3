"""Seeds of the service's own choice."""

import hmac

from soundproof.smoothing.plan import NoiseName, Plan

SEED_BITS = 53


def seed_of(key: bytes, plan: Plan) -> int:
    """The seed that the service derives for everything else about this plan, whatever seed it has."""
    content = [
        plan.clip_sha256,
        plan.model_digest,
        plan.contract.value,
        plan.transform.value,
        repr(plan.sigma),
        str(plan.n0),
        str(plan.n),
        repr(plan.alpha),
        plan.bound.value,
        plan.precision.value,
    ]
    if plan.target_snr_db is not None:
        content.append(f"target_snr_db={plan.target_snr_db!r}")
    if plan.noise is not NoiseName.FLOAT:
        content.append(f"noise={plan.noise.value}")
    return own_seed(key, *content)


def own_seed(key: bytes, *content: str) -> int:
    """A seed that whoever sends the request cannot choose: a keyed hash of its content, 53 bits.

    Under one key the same sound and plan get the same seed, however the file is packed, so trying again does not try
    another one. Another key, sample, sigma, n, alpha, bound, transform, noise or target does: each is a try of its own.
    """
    digest = hmac.digest(key, "\x1f".join(content).encode(), "sha256")
    return int.from_bytes(digest[:8], "big") >> (64 - SEED_BITS)
