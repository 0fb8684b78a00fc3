"""Jobs, clips, votes and certificates for tests of the store: small, and told apart by a number."""

import hashlib
import json
import random
from collections.abc import Sequence
from typing import Any

from tests.smoothing.plans import plan_with

from soundproof.audio.facts import ClipFacts
from soundproof.smoothing.certification import Geometry, Votes
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import Block, Plan
from soundproof.store.certificates import KeptCertificate
from soundproof.store.clips import Claim
from soundproof.store.store import Store
from soundproof.store.submission import NewClip, NewJob
from soundproof.store.work import Work
from soundproof.terms import GainPolicy

SAMPLES = 300
PROBLEM = {"code": "malformed_wav", "detail": "It contradicts itself."}


def clip(number: int, **changes: Any) -> NewClip:
    audio = b"RIFF" + bytes([number % 256]) * 1000
    fields: dict[str, Any] = {
        "name": f"clip-{number}.wav",
        "audio": lambda: audio,
        "audio_sha256": hashlib.sha256(audio).hexdigest(),
        "samples_planned": SAMPLES,
        "label": "yes",
        "overrides": {"sigma": 0.1 * number},
    }
    return NewClip(**fields | changes)


def job(clips: int | Sequence[NewClip] = 3, **changes: Any) -> NewJob:
    each = [clip(number) for number in range(clips)] if isinstance(clips, int) else clips
    fields: dict[str, Any] = {"fields": {"n": 200, "sigma": 0.02, "label": None}, "clips": tuple(each)}
    return NewJob(**fields | changes)


def certificate(number: int, *, key: int | None = None, words: str = "") -> KeptCertificate:
    certificate_id = "sha256:" + hashlib.sha256(f"certificate {number}".encode()).hexdigest()
    return KeptCertificate(
        certificate_id=certificate_id,
        request_key=hashlib.sha256(f"request {number if key is None else key}".encode()).hexdigest(),
        body=json.dumps({"certificate_id": certificate_id, "statement": words or f"certificate {number}, é"}).encode(),
    )


def claimed(store: Store) -> Claim:
    claim = store.clips.claim()
    assert claim is not None
    return claim


FACTS = ClipFacts(
    sample_rate_hz=16_000,
    channels=2,
    frames=16_001,
    duration_s=16_001 / 16_000,
    rms_dbfs=-23.1 / 3,
    peak_dbfs=None,
    file_norm=1 / 3,
    steps=("mono", "gain"),
    cropped_frames=1,
    padded_frames=0,
    gain_policy=GainPolicy.RMS,
    gain_target=1.0,
    gain=21.900457079718514,
    operator_norm=0.1 + 0.2,
    linear_norm=5e-324,
    norm=126.49110640673517,
    peak=4.0,
    dimension=16_000,
    prepared_rate_hz=16_000,
)


def work(**changes: Any) -> Work:
    fields: dict[str, Any] = {
        "plan": plan_with(sigma=0.1 + 0.2),
        "facts": FACTS,
        "generator": "numpy philox",
        "backend": "torch 2",
        "service_version": "0.1.0",
    }
    return Work(**fields | changes)


def votes_of(plan: Plan, block: Block) -> Votes:
    """The votes of a block, always the same, with sums whose last digits depend on the order of addition."""
    noise = random.Random(f"{block.stage} {block.index}")  # noqa: S311
    drawn = noise.choices(range(plan.classes + 1), [1] * plan.classes + [0.1], k=block.samples)
    counts = [drawn.count(outcome) for outcome in range(plan.classes + 1)]
    measured = block.samples if block.stage is Stage.SELECTION else 0
    geometry = Geometry(sum(noise.random() for _ in range(measured)), noise.random() / 3 * measured, measured)
    return Votes(tuple(counts[:-1]), counts[-1], geometry)
