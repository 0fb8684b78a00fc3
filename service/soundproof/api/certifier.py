"""One request from form to certificate: read the clip, make the plan, run it, issue."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

from starlette.datastructures import UploadFile

from soundproof.api.catalog import Entry
from soundproof.api.events import Event, ProgressEvent
from soundproof.api.fields import CertifyFields, Fields
from soundproof.api.form import Form
from soundproof.api.metrics import Metrics
from soundproof.api.registry import Registry
from soundproof.api.seeds import seed_of
from soundproof.api.sweep_fields import SweepFields
from soundproof.api.uploads import Clip, Uploads
from soundproof.certificate import AbstainedCertificate, CertifiedCertificate, Compute
from soundproof.engine.pool import Pool
from soundproof.errors import EngineError, InvalidPlan, ModelRefused, ModelUnavailable, SoundproofError, UnknownLabel
from soundproof.nets.manifest import ModelManifest
from soundproof.signing import SigningKey, sign
from soundproof.smoothing.issue import Circumstances, issue
from soundproof.smoothing.plan import ContractName, Plan
from soundproof.smoothing.progress import Progress
from soundproof.sweep import Sweep

# Versions of a model that one request is begun with, where each is gone from the disk before a worker has loaded it.
MOST_VERSIONS = 3
# Of a stream: how often progress is told, and how long it may be silent.
PROGRESS_EVERY_S, PING_EVERY_S = 0.25, 10.0

Issued = CertifiedCertificate | AbstainedCertificate
Tell = Callable[[Progress, ModelManifest], None]


@dataclass(frozen=True)
class Certifier:
    """`seed_key`: the secret behind seeds of the service's own choice. `signing_key`: None where nothing is signed."""

    registry: Registry
    pool: Pool
    metrics: Metrics
    uploads: Uploads
    seed_key: bytes
    signing_key: SigningKey | None = None

    async def certify(self, form: Form[CertifyFields]) -> Issued:
        """The certificate of a clip. Cancelling the task ends the work within one chunk.

        Raises every error that api/problems.py lists.
        """
        async with self._counted(form.fields) as counted:
            clip = await self._read(form.audio, form.fields)
            return counted(await self._issued(form.fields, clip))

    async def sweep(self, form: Form[SweepFields]) -> Sweep:
        """The certificates of a clip under several settings, side by side. Either all of them or an error."""
        each = form.fields.each()
        entry = self.registry.catalog.get(form.fields.model)
        clip = await self._read(form.audio, form.fields)
        for fields in each:
            self._plan(fields, entry.manifest, clip.samples_sha256)  # nothing is begun where one cannot be done
        return Sweep.of(
            await _all(self._swept(fields, clip) for fields in each), form.fields.confidence, form.fields.alpha
        )

    async def _swept(self, fields: CertifyFields, clip: Clip) -> Issued:
        async with self._counted(fields) as counted:
            return counted(await self._issued(fields, clip))

    async def watched(self, form: Form[CertifyFields]) -> AsyncIterator[Event]:
        """The progress of a certification whenever there is some, None now and then where there is none, and in the end
        the certificate. What is wrong with the request is raised here, the rest as the iterator goes on."""
        clip = await self._read(form.audio, form.fields)
        return self._watched(form.fields, clip)

    async def _watched(self, fields: CertifyFields, clip: Clip) -> AsyncIterator[Event]:
        latest: ProgressEvent | None = None

        def tell(progress: Progress, manifest: ModelManifest) -> None:
            nonlocal latest
            latest = ProgressEvent.of(progress, manifest.classes)

        async with self._counted(fields) as counted:
            work = asyncio.create_task(self._issued(fields, clip, tell))
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
    async def _counted(self, fields: CertifyFields) -> AsyncIterator[Callable[[Issued], Issued]]:
        """Tells the metrics how a certification ended."""
        contract = fields.contract.value

        def counted(certificate: Issued) -> Issued:
            self.metrics.certification(contract, certificate.verdict or certificate.outcome)
            return certificate

        try:
            yield counted
        except (asyncio.CancelledError, GeneratorExit):
            self.metrics.certification(contract, "cancelled")
            raise
        except (EngineError, ModelRefused, ModelUnavailable):
            self.metrics.certification(contract, "failed")
            raise
        except SoundproofError:
            self.metrics.certification(contract, "refused")
            raise

    async def _issued(self, fields: CertifyFields, clip: Clip, tell: Tell | None = None) -> Issued:
        entry = self.registry.catalog.get(fields.model)
        versions = 1
        while True:
            try:
                return await self._run(fields, entry, clip, tell, begun_anew=versions > 1)
            except ModelUnavailable:
                successor = await self.registry.successor(entry) if versions < MOST_VERSIONS else None
                if successor is None:
                    raise
                entry = successor
                versions += 1

    async def _run(
        self, fields: CertifyFields, entry: Entry, clip: Clip, tell: Tell | None, *, begun_anew: bool
    ) -> Issued:
        """One whole certification with one version of the model: its plan, its votes, its certificate."""
        manifest = entry.manifest
        _check_label(fields, manifest)  # again: another version may have other classes
        plan, seed_source = self._plan(fields, manifest, clip.samples_sha256)

        def watch(progress: Progress) -> None:
            if tell:
                tell(progress, manifest)

        finished = await self.pool.certify(
            plan,
            entry.source,
            clip.waveform,
            manifest.clip_samples,
            begun_anew=begun_anew,
            watch=watch if tell else None,
        )
        self.metrics.computed(finished.queue_s, finished.run_s)
        circumstances = Circumstances(
            audio_sha256=clip.audio_sha256,
            generator=finished.generator,
            backend=finished.backend,
            label=fields.label,
            seed_source=seed_source,
            compute=Compute(
                device=finished.device,
                queue_s=finished.queue_s,
                run_s=finished.run_s,
                samples_per_second=(plan.n0 + finished.outcome.tally.used) / finished.run_s,
            ),
        )
        return self._signed(issue(plan, manifest, finished.facts, finished.outcome, circumstances))

    def _signed(self, certificate: Issued) -> Issued:
        if self.signing_key is None:
            return certificate
        signature = sign(certificate.model_dump(mode="json"), self.signing_key)
        return certificate.model_copy(update={"signature": signature})

    async def _read(self, audio: UploadFile, fields: Fields) -> Clip:
        """What an upload holds, once the model and the label are known to be there."""
        _check_label(fields, self.registry.catalog.get(fields.model).manifest)
        return await self.uploads.read(audio)

    def _plan(
        self, fields: CertifyFields, manifest: ModelManifest, samples_sha256: str
    ) -> tuple[Plan, Literal["service", "caller"]]:
        if fields.contract is ContractName.FEATURE and not manifest.has_features:
            raise InvalidPlan(
                f"Model {manifest.name!r} has no features before its classifier: it takes the waveform itself.",
                "Use contract 'waveform', which is the same for it.",
            )
        if fields.precision not in manifest.precisions:
            raise InvalidPlan(
                f"Model {manifest.name!r} does not compute in {fields.precision.value}.",
                f"It computes in {', '.join(manifest.precisions)}.",
            )
        space: Literal["feature", "waveform"] = "feature" if fields.contract is ContractName.FEATURE else "waveform"
        sigma = fields.sigma if fields.sigma is not None else manifest.recommended_sigma[space]
        plan = Plan(
            model=manifest.name,
            model_digest=manifest.digest,
            classes=len(manifest.classes),
            contract=fields.contract,
            transform=fields.transform,
            sigma=sigma,
            n0=fields.n0,
            n=fields.n,
            alpha=fields.alpha,
            bound=fields.bound,
            seed=fields.seed or 0,
            clip_sha256=samples_sha256,
            dimension=math.prod(manifest.feature_shape) if space == "feature" else manifest.clip_samples,
            noise=fields.noise,
            precision=fields.precision,
            target_snr_db=fields.target_snr_db,
        )
        if fields.seed is not None:
            return plan, "caller"
        return replace(plan, seed=seed_of(self.seed_key, plan)), "service"


def _check_label(fields: Fields, manifest: ModelManifest) -> None:
    if fields.label is not None and fields.label not in manifest.classes:
        raise UnknownLabel(
            f"{fields.label!r} is not a class of model {manifest.name!r}.",
            f"Classes: {', '.join(manifest.classes)}.",
        )


async def _all(work: Iterable[Coroutine[Any, Any, Issued]]) -> list[Issued]:
    """The results in order; when one fails, or the caller gives up, the rest is cancelled."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
