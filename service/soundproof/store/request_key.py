"""What makes two requests the same request."""

import hashlib
from typing import Literal

from soundproof.certificate import SCHEMA_VERSION, canonical_json
from soundproof.smoothing.issue import PIPELINE
from soundproof.smoothing.plan import Plan
from soundproof.store.documents import plan_document


def request_key(plan: Plan, *, audio_sha256: str, label: str | None, seed_source: Literal["service", "caller"]) -> str:
    """SHA-256, in hex, over everything that a certificate follows from: the file, the label, whose seed it is, every
    field of the plan (the model's digest is one), and what the documents and the steps of preparation are called.

    A certificate says all of this itself, so requests of different keys never share one.
    """
    content = {
        "schema_version": SCHEMA_VERSION,
        "pipeline": PIPELINE,
        "audio_sha256": audio_sha256,
        "label": label,
        "seed_source": seed_source,
        "plan": plan_document(plan),
    }
    return hashlib.sha256(canonical_json(content)).hexdigest()
