"""Sound certificates of one clip and one model, without a service: what the forgers of tests/fuzz/claims.py begin with.

The votes that would be drawn again are made up: the same as those stated, for every plan that asks for as many.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from tests.audio.wav_bytes import encode_pcm16
from tests.smoothing.issuing import CIRCUMSTANCES, MANIFEST
from tests.smoothing.plans import plan_with

from soundproof.audio import wav
from soundproof.audio.facts import ClipFacts
from soundproof.audio.prepare import prepare
from soundproof.certificate import content_id
from soundproof.engine.run import Finished
from soundproof.smoothing.certification import Abstained, Certified, Geometry, Tally, answered, decide
from soundproof.smoothing.gated import Answer, Look, Verdict, question_of
from soundproof.smoothing.issue import issue
from soundproof.smoothing.plan import BoundName, ContractName, Plan

CLIP = encode_pcm16((0.1 * np.random.default_rng(17).standard_normal((1, 400))).astype(np.float32), 16_000)
WAVEFORM = wav.read(CLIP)
TOP = 1
SEED = 7
# An SNR that a few hundred votes can tell.
TARGET_SNR_DB = 70.0


def tally(n0: int, n: int) -> Tally:
    """All votes for one class of three."""
    return Tally(selection=(0, n0, 0), estimation=(0, n, 0), invalid=0, geometry=Geometry(0.0, float(n0), n0))


@cache
def facts() -> ClipFacts:
    return prepare(
        WAVEFORM,
        sample_rate_hz=MANIFEST.sample_rate_hz,
        clip_samples=MANIFEST.clip_samples,
        gain=MANIFEST.gain,
    ).facts


@cache
def sound() -> tuple[dict[str, Any], ...]:
    """A certificate of every kind, as JSON: plain, of features, a gate's, an abstention."""
    plan = plan_with(
        model=MANIFEST.name, model_digest=MANIFEST.digest, sigma=0.02, n=200, clip_sha256=WAVEFORM.digest, seed=SEED
    )
    features = replace(plan, contract=ContractName.FEATURE, dimension=64 * 101, bound=BoundName.MULTICLASS)
    gate = replace(plan, n=1000, target_snr_db=TARGET_SNR_DB)
    torn = Tally(selection=(50, 50, 0), estimation=(90, 90, 10), invalid=10, geometry=Geometry(0.0, 100.0, 100))
    return (
        _document(plan, decide(plan, tally(plan.n0, plan.n))),
        _document(features, decide(features, tally(plan.n0, plan.n))),
        _document(gate, _passed(gate)),
        _document(plan, decide(plan, torn)),
    )


def _document(plan: Plan, outcome: Certified | Abstained) -> dict[str, Any]:
    circumstances = replace(CIRCUMSTANCES, audio_sha256=_sha256())
    found = issue(plan, MANIFEST, facts(), outcome, circumstances).model_dump(mode="json")
    found["created_at"] = "2026-01-01T00:00:00.000Z"  # the same every time; it is not part of the address
    assert content_id(found) == found["certificate_id"]
    return found


def _passed(plan: Plan) -> Certified | Abstained:
    """The gate at its first look, without an error."""
    question = question_of(plan, facts().norm)
    assert question is not None
    first, most = question.gate.looks[0], question.gate.most_errors[0]
    answer = Answer(question, (Look(first, 0, most),), Verdict.CERTIFIED)
    return answered(plan, TOP, answer, tally(plan.n0, first))


def _sha256() -> str:
    return hashlib.sha256(CLIP).hexdigest()


@dataclass(frozen=True)
class MadeUpVotes:
    """In the place of an engine: the stated votes again under the certificate's seed, all for one class under another.

    `stated`: the certificate that the forger began with."""

    stated: dict[str, Any]

    async def prepare(self, plan: Plan, *_: object) -> ClipFacts:
        return facts()

    async def certify(self, plan: Plan, *_: object) -> Finished:
        votes = self._again() if plan.seed == SEED else tally(plan.n0, plan.n)
        return Finished(
            facts=facts(),
            outcome=Abstained(reason="", candidate=None, p_a_lower=None, tally=votes),
            device="cpu",
            generator=CIRCUMSTANCES.generator,
            backend=CIRCUMSTANCES.backend,
            queue_s=0.0,
            run_s=0.0,
        )

    def _again(self) -> Tally:
        sampling = self.stated["sampling"]
        return Tally(
            selection=tuple(sampling["selection_counts"]),
            estimation=tuple(sampling["counts"]),
            invalid=sampling["invalid"],
            geometry=Geometry(0.0, 100.0, 100),
        )
