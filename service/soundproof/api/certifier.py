"""One request from form to certificate: read the clip, make the plan, run it, issue and keep."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from starlette.datastructures import UploadFile

from soundproof.api.access.purse import NOBODY, Payer, Prepaid
from soundproof.api.answers import Answer, Answers
from soundproof.api.catalog import Entry
from soundproof.api.events import Event, ProgressEvent
from soundproof.api.fields import CertifyFields, Fields
from soundproof.api.form import Form
from soundproof.api.metrics import UNKNOWN_MODEL, Metrics
from soundproof.api.planning import check_label, cost_of, plan_for
from soundproof.api.registry import Registry
from soundproof.api.sweep_fields import SweepFields
from soundproof.api.together import together
from soundproof.api.tracing import NO_TRACING, Tracing
from soundproof.api.uploads import Clip, Uploads
from soundproof.certificate import Compute
from soundproof.engine.journal import Earlier, Journal
from soundproof.engine.pool import Pool
from soundproof.errors import EngineError, ModelRefused, ModelUnavailable, QueueFull, SoundproofError
from soundproof.nets.manifest import ModelManifest
from soundproof.smoothing.issue import Circumstances, issue
from soundproof.smoothing.plan import Plan
from soundproof.smoothing.progress import Progress
from soundproof.store.request_key import request_key
from soundproof.sweep import Sweep

# Versions of a model that one request is begun with, where each is gone from the disk before a worker has loaded it.
MOST_VERSIONS = 3
# Of a stream: how often progress is told, and how long it may be silent.
PROGRESS_EVERY_S, PING_EVERY_S = 0.25, 10.0

Tell = Callable[[Progress, ModelManifest], None]


class Ledger(Journal, Protocol):
    """A journal that is kept, so that a certification can go on after the process has ended."""

    def resume(self, plan: Plan) -> Earlier | None:
        """The votes to come are votes of this plan; those of it that are kept."""


@dataclass(frozen=True)
class Manner:
    """How a certification is gone about; none of it changes the certificate. `kept`: it is looked for in the store, and
    kept there. `payer`: who is charged for votes that are drawn."""

    kept: bool = True
    payer: Payer = NOBODY
    tell: Tell | None = None
    ledger: Ledger | None = None


@dataclass(frozen=True)
class Certifier:
    """`seed_key`: the secret behind seeds of the service's own choice."""

    registry: Registry
    pool: Pool
    metrics: Metrics
    uploads: Uploads
    answers: Answers
    seed_key: bytes
    tracing: Tracing = NO_TRACING

    async def certify(self, form: Form[CertifyFields], manner: Manner) -> Answer:
        """The certificate of a clip. Cancelling the task ends the work within one chunk.

        Raises every error that api/problems.py lists.
        """
        async with self._counted(form.fields) as counted:
            clip = await self._read(form.audio, form.fields)
            return counted(await self._answer(form.fields, clip, manner))

    async def certify_kept(self, fields: CertifyFields, audio: bytes, ledger: Ledger, payer: Payer) -> Answer:
        """The same for a clip of a job, the bytes of whose file are at hand."""
        async with self._counted(fields) as counted:
            with self.tracing.part("ingest"):
                clip = await self.uploads.decode(audio)
            return counted(await self._answer(fields, clip, Manner(ledger=ledger, payer=payer)))

    async def sweep(self, form: Form[SweepFields], manner: Manner) -> Sweep:
        """The certificates of a clip under several settings, side by side. Either all of them or an error."""
        each = form.fields.each()
        entry = self.registry.catalog.get(form.fields.model)
        clip = await self._read(form.audio, form.fields)
        cost = await self._cost_of_all(each, entry, clip, manner)
        with Prepaid(manner.payer.charge(cost)) as payer:
            answers = await together(self._swept(fields, clip, replace(manner, payer=payer)) for fields in each)
        return Sweep.of([answer.certificate for answer in answers], form.fields.confidence, form.fields.alpha)

    async def _cost_of_all(self, each: list[CertifyFields], entry: Entry, clip: Clip, manner: Manner) -> float:
        """What those cost that are not kept. Nothing is begun where one cannot be done: raises as plan_for does."""
        cost = 0.0
        for fields in each:
            plan, seed_source = plan_for(fields, entry.manifest, clip.samples_sha256, self.seed_key)
            key = request_key(plan, audio_sha256=clip.audio_sha256, label=fields.label, seed_source=seed_source)
            if not (manner.kept and manner.payer.bounded and await self.answers.known(key)):
                cost += cost_of(plan, entry.manifest)
        return cost

    async def _swept(self, fields: CertifyFields, clip: Clip, manner: Manner) -> Answer:
        with self.tracing.part("certify"):
            async with self._counted(fields) as counted:
                return counted(await self._answer(fields, clip, manner))

    async def watched(self, form: Form[CertifyFields], manner: Manner) -> AsyncIterator[Event]:
        """The progress of a certification whenever there is some, None now and then where there is none, and in the end
        the certificate. What is wrong with the request is raised here, the rest as the iterator goes on."""
        clip = await self._read(form.audio, form.fields)
        return self._watched(form.fields, clip, manner)

    async def _watched(self, fields: CertifyFields, clip: Clip, manner: Manner) -> AsyncIterator[Event]:
        latest: ProgressEvent | None = None

        def tell(progress: Progress, manifest: ModelManifest) -> None:
            nonlocal latest
            latest = ProgressEvent.of(progress, manifest.classes)

        async with self._counted(fields) as counted:
            work = asyncio.create_task(self._answer(fields, clip, replace(manner, tell=tell)))
            try:
                told_at = time.monotonic()
                while not (await asyncio.wait({work}, timeout=PROGRESS_EVERY_S))[0]:
                    told, latest = latest, None
                    if told is not None or time.monotonic() - told_at > PING_EVERY_S:
                        yield told
                        told_at = time.monotonic()
                yield counted(work.result())
            finally:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)

    @asynccontextmanager
    async def _counted(self, fields: CertifyFields) -> AsyncIterator[Callable[[Answer], Answer]]:
        """Tells the metrics and the trace how a certification ended."""
        catalog = self.registry.catalog
        name = fields.model or catalog.default
        model = name if name in catalog.entries else UNKNOWN_MODEL
        contract = fields.contract.value

        def ended(outcome: str) -> None:
            self.metrics.certification(model, contract, outcome)
            self.tracing.tell(model=model, contract=contract, outcome=outcome)

        def counted(answer: Answer) -> Answer:
            certificate = answer.certificate
            ended(certificate.verdict or certificate.outcome)
            self.tracing.tell(cached=answer.cached)
            if certificate.snr_cert_db is not None:
                self.metrics.snr(model, certificate.snr_cert_db)
            return answer

        try:
            yield counted
        except (asyncio.CancelledError, GeneratorExit):
            ended("cancelled")
            raise
        except QueueFull:
            ended("refused")
            raise
        except (EngineError, ModelRefused, ModelUnavailable):
            ended("failed")
            raise
        except SoundproofError:
            ended("refused")
            raise

    async def _answer(self, fields: CertifyFields, clip: Clip, manner: Manner) -> Answer:
        entry = self.registry.catalog.get(fields.model)
        versions = 1
        while True:
            try:
                return await self._run(fields, entry, clip, manner, begun_anew=versions > 1)
            except ModelUnavailable:
                successor = await self.registry.successor(entry) if versions < MOST_VERSIONS else None
                if successor is None:
                    raise
                entry = successor
                versions += 1

    async def _run(
        self, fields: CertifyFields, entry: Entry, clip: Clip, manner: Manner, *, begun_anew: bool
    ) -> Answer:
        """The answer by one version of the model: the one that is kept, or a whole certification's."""
        manifest = entry.manifest
        plan, seed_source = plan_for(fields, manifest, clip.samples_sha256, self.seed_key)
        key = request_key(plan, audio_sha256=clip.audio_sha256, label=fields.label, seed_source=seed_source)
        if manner.kept and (known := await self.answers.known(key)):
            self.metrics.cache_hit()
            return known

        def watch(progress: Progress) -> None:
            if manner.tell:
                manner.tell(progress, manifest)

        with manner.payer.charge(cost_of(plan, manifest)) as charge:
            finished = await self.pool.certify(
                plan,
                entry.source,
                clip.waveform,
                manifest.clip_samples,
                begun_anew=begun_anew,
                watch=watch if manner.tell else None,
                journal=manner.ledger,
                earlier=manner.ledger.resume(plan) if manner.ledger else None,
            )
            charge.used = cost_of(plan, manifest, finished.outcome.tally.used)
        self.metrics.computed(finished)
        self.tracing.computed(finished)
        circumstances = Circumstances(
            audio_sha256=clip.audio_sha256,
            decoding=clip.decoding,
            generator=finished.generator,
            backend=finished.backend,
            label=fields.label,
            seed_source=seed_source,
            compute=Compute(
                device=finished.device,
                queue_s=finished.queue_s,
                run_s=finished.run_s,
                samples_per_second=finished.drawn / finished.run_s,
            ),
        )
        issued = issue(plan, manifest, finished.facts, finished.outcome, circumstances)
        if not manner.kept:
            return self.answers.unkept(issued, key)
        with self.metrics.storing(), self.tracing.part("store"):
            return await self.answers.keep(issued, key)

    async def _read(self, audio: UploadFile, fields: Fields) -> Clip:
        """What an upload holds, once the model and the label are known to be there."""
        check_label(fields, self.registry.catalog.get(fields.model).manifest)
        with self.tracing.part("ingest"):
            return await self.uploads.read(audio)
