"""One verification from form to report: read both files, prepare the clip, hold the certificate against all of it."""

import asyncio
import secrets
from dataclasses import dataclass, replace

from soundproof.api.access.purse import NOBODY, Payer, Prepaid
from soundproof.api.catalog import Entry
from soundproof.api.checks import (
    check_derived,
    check_fresh,
    check_model,
    check_rerun,
    check_seed,
    check_votes,
)
from soundproof.api.clip_check import check_clip, is_decoded_otherwise
from soundproof.api.form import Form
from soundproof.api.metrics import Metrics
from soundproof.api.planning import cost_of
from soundproof.api.registry import Registry
from soundproof.api.together import together
from soundproof.api.tracing import NO_TRACING, PartName, Tracing
from soundproof.api.uploads import Clip, Uploads
from soundproof.api.verify_fields import VerifyFields
from soundproof.audio.facts import ClipFacts
from soundproof.engine.pool import Pool
from soundproof.engine.run import Finished
from soundproof.errors import PlanError
from soundproof.signing import CheckingKey
from soundproof.smoothing.gated import question_of
from soundproof.smoothing.plan import SEED_RANGE, BoundName, Plan
from soundproof.smoothing.recount import Issued
from soundproof.smoothing.reissue import plan_of
from soundproof.verify.document import Document, UnreadableDocument, read
from soundproof.verify.offline import check_signature, report, unreadable
from soundproof.verify.report import Check, CheckName, Report

# Of the plan of fresh votes, which only counts them.
_ANY_ALPHA = 0.5


@dataclass(frozen=True)
class _Question:
    """A certificate with the clip and the model it was asked of."""

    stated: Issued
    clip: Clip
    entry: Entry
    plan: Plan
    payer: Payer


@dataclass(frozen=True)
class Verifier:
    """`seed_key`: what the service derives its own seeds with. `keys`: those whose signatures count here."""

    registry: Registry
    pool: Pool
    metrics: Metrics
    uploads: Uploads
    seed_key: bytes
    keys: tuple[CheckingKey, ...]
    max_samples: int
    tracing: Tracing = NO_TRACING

    async def verify(self, form: Form[VerifyFields], payer: Payer = NOBODY) -> Report:
        """The report. Cancelling the task ends the work within one chunk.

        Raises the AudioErrors of reading and preparing, and the errors of the engine.
        """
        try:
            document = await asyncio.to_thread(read, form.fields.certificate)
        except UnreadableDocument as error:
            found = unreadable(error)
        else:
            with self.tracing.part("ingest"):
                clip = await self.uploads.read(form.audio)
            found = report(document, await self._checks(document, clip, form.fields, payer))
        self.metrics.verification(found.result)
        return found

    async def _checks(self, document: Document, clip: Clip, fields: VerifyFields, payer: Payer) -> list[Check]:
        stated = document.certificate
        entry, model = check_model(stated, self.registry.catalog.entries)
        checks = [
            document.check(),
            check_signature(document, self.keys),
            await asyncio.to_thread(check_clip, stated, clip),
            model,
        ]
        if entry is None:
            return checks + _skipped("It takes the model.")
        if clip.samples_sha256 != stated.audio.samples_sha256:
            if is_decoded_otherwise(stated, clip):
                return checks + _skipped("The decoder here makes another sound of the file.")
            return checks + _skipped("It is another sound that was sent.")
        try:
            plan = plan_of(stated, entry.manifest, clip.samples_sha256)
        except PlanError as error:
            return checks + _impossible(error)
        question = _Question(stated, clip, entry, plan, payer)
        facts = await self.pool.prepare(plan, entry.source, clip.waveform, entry.manifest.clip_samples)
        return [
            *checks,
            check_seed(stated, plan, self.seed_key),
            *await self._followed(question, facts, fields),
        ]

    async def _followed(self, question: _Question, facts: ClipFacts, fields: VerifyFields) -> list[Check]:
        """What follows from the certificate's counts, and from votes drawn again."""
        stated, plan = question.stated, question.plan
        try:
            asked = await asyncio.to_thread(question_of, plan, facts.norm)  # some 40 ms for a large gate
        except PlanError as error:
            return _impossible(error)
        votes = check_votes(stated, plan, asked)
        derived = await asyncio.to_thread(
            check_derived, stated, plan, question.entry.manifest, facts, asked, votes.result == "passed"
        )
        sound = votes.result == "passed"
        with Prepaid(question.payer.charge(self._most(question, fields, sound=sound))) as payer:
            question = replace(question, payer=payer)
            rerun = self._rerun(question, fields.rerun, sound=sound)
            again = await together([rerun, self._fresh(question, fields.fresh_votes)])
        return [votes, derived, *again]

    def _most(self, question: _Question, fields: VerifyFields, *, sound: bool) -> float:
        """The cost of all that may be drawn."""
        plan, manifest = question.plan, question.entry.manifest
        cost = cost_of(plan, manifest) if fields.rerun and sound and max(plan.n, plan.n0) <= self.max_samples else 0.0
        if fields.fresh_votes <= self.max_samples:
            cost += (fields.fresh_votes and 1 + fields.fresh_votes) * float(manifest.clip_samples)
        return cost

    async def _rerun(self, question: _Question, wanted: bool, *, sound: bool) -> Check:
        plan = question.plan
        if not wanted:
            return Check.of("rerun", "skipped", "It was not asked for.")
        if not sound:
            return Check.of("rerun", "skipped", "No run can have had these votes.")
        if (votes := max(plan.n, plan.n0)) > self.max_samples:
            return Check.of("rerun", "skipped", f"It takes {votes} votes; here are drawn at most {self.max_samples}.")
        finished = await self._drawn("rerun", question, plan)
        return check_rerun(question.stated, finished, question.entry.manifest)

    async def _fresh(self, question: _Question, votes: int) -> Check:
        stated, plan = question.stated, question.plan
        if votes == 0:
            return Check.of("fresh", "skipped", "It was not asked for.")
        if votes > self.max_samples:
            return Check.of("fresh", "skipped", f"{votes} votes; here are drawn at most {self.max_samples}.")
        if stated.prediction is None or stated.p_a_lower is None:
            return Check.of("fresh", "skipped", "An abstention claims nothing that votes could refute.")
        if not (0 <= stated.prediction.index < plan.classes and 0 <= stated.p_a_lower <= 1):
            return Check.of("fresh", "failed", "What it claims is no probability of a class of this model.")
        # Of nobody's choice, and not the certificate's.
        seed = secrets.randbelow(SEED_RANGE[1] + 1)
        try:
            fresh = replace(
                plan,
                seed=seed,
                n0=1,
                n=votes,
                alpha=_ANY_ALPHA,
                bound=BoundName.CLOPPER_PEARSON,
                target_snr_db=None,
            )
        except PlanError as error:
            return Check.of("fresh", "skipped", f"So few votes test nothing: {error}")
        finished = await self._drawn("fresh", question, fresh)
        return check_fresh(stated, fresh, finished)

    async def _drawn(self, purpose: PartName, question: _Question, plan: Plan) -> Finished:
        entry = question.entry
        with self.tracing.part(purpose), question.payer.charge(cost_of(plan, entry.manifest)) as charge:
            finished = await self.pool.certify(plan, entry.source, question.clip.waveform, entry.manifest.clip_samples)
            charge.used = cost_of(plan, entry.manifest, finished.outcome.tally.used)
            self.tracing.computed(finished)
        return finished


def _skipped(reason: str) -> list[Check]:
    names: tuple[CheckName, ...] = ("seed", "votes", "derived", "rerun", "fresh")
    return [Check.of(name, "skipped", reason) for name in names]


def _impossible(error: PlanError) -> list[Check]:
    """Nothing can have been issued for such a plan."""
    reason = "There is no such plan."
    return [
        *(check for check in _skipped(reason) if check.name != "derived"),
        Check.of("derived", "failed", f"No certificate is issued for such a plan: {error}"),
    ]
