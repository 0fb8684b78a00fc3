"""One request from form to certificate: read the clip, make the plan, run it, issue."""

import asyncio
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

from starlette.datastructures import UploadFile

from soundproof.api.catalog import Entry
from soundproof.api.form import CertifyFields, CertifyForm
from soundproof.api.metrics import Metrics
from soundproof.api.registry import Registry
from soundproof.audio import wav
from soundproof.audio.waveform import Waveform
from soundproof.certificate import AbstainedCertificate, CertifiedCertificate, Compute
from soundproof.engine.pool import Pool
from soundproof.errors import EngineError, InvalidPlan, ModelRefused, ModelUnavailable, SoundproofError, UnknownLabel
from soundproof.nets.manifest import ModelManifest
from soundproof.smoothing.issue import Circumstances, issue
from soundproof.smoothing.plan import ContractName, Plan

SEED_BITS = 53
# Clips decoded at a time. Until a run is admitted nothing else bounds the memory that many large uploads take.
DECODING = 2
# Versions of a model that one request is begun with, where each is gone from the disk before a worker has loaded it.
MOST_VERSIONS = 3


@dataclass(frozen=True)
class _Clip:
    """Digests of an upload and of its samples, and these."""

    audio_sha256: str
    samples_sha256: str
    waveform: Waveform


@dataclass(frozen=True)
class Certifier:
    """`seed_key`: the secret behind seeds of the service's own choice."""

    registry: Registry
    pool: Pool
    metrics: Metrics
    max_duration_s: float
    seed_key: bytes
    _decoding: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(DECODING), init=False)

    async def certify(self, form: CertifyForm) -> CertifiedCertificate | AbstainedCertificate:
        """The certificate of a clip. Cancelling the task ends the work within one chunk.

        Raises every error that api/problems.py lists.
        """
        contract = form.fields.contract.value
        try:
            certificate = await self._certify(form)
        except asyncio.CancelledError:
            self.metrics.certification(contract, "cancelled")
            raise
        except (EngineError, ModelRefused, ModelUnavailable):
            self.metrics.certification(contract, "failed")
            raise
        except SoundproofError:
            self.metrics.certification(contract, "refused")
            raise
        self.metrics.certification(contract, certificate.outcome)
        return certificate

    async def _certify(self, form: CertifyForm) -> CertifiedCertificate | AbstainedCertificate:
        entry = self.registry.catalog.get(form.fields.model)
        _check_label(form.fields, entry.manifest)
        clip = await self._read(form.audio)
        versions = 1
        while True:
            try:
                return await self._run(form.fields, entry, clip, begun_anew=versions > 1)
            except ModelUnavailable:
                successor = await self.registry.successor(entry) if versions < MOST_VERSIONS else None
                if successor is None:
                    raise
                entry = successor
                versions += 1

    async def _run(
        self, fields: CertifyFields, entry: Entry, clip: _Clip, *, begun_anew: bool
    ) -> CertifiedCertificate | AbstainedCertificate:
        """One whole certification with one version of the model: its plan, its votes, its certificate."""
        manifest = entry.manifest
        _check_label(fields, manifest)  # again: another version may have other classes
        plan, seed_source = self._plan(fields, manifest, clip.samples_sha256)
        finished = await self.pool.certify(
            plan, entry.source, clip.waveform, manifest.clip_samples, begun_anew=begun_anew
        )
        self.metrics.computed(finished.queue_s, finished.run_s)
        circumstances = Circumstances(
            audio_sha256=clip.audio_sha256,
            generator=finished.generator,
            label=fields.label,
            seed_source=seed_source,
            compute=Compute(
                device=finished.device,
                precision=finished.precision,
                queue_s=finished.queue_s,
                run_s=finished.run_s,
                samples_per_second=(plan.n0 + plan.n) / finished.run_s,
            ),
        )
        return issue(plan, manifest, finished.facts, finished.outcome, circumstances)

    async def _read(self, audio: UploadFile) -> _Clip:
        """What an upload holds; its bytes are not kept beyond that."""
        async with self._decoding:
            return await asyncio.to_thread(self._decode, audio.file)

    def _decode(self, file: BinaryIO) -> _Clip:
        audio = file.read()
        waveform = wav.read(audio, max_duration_s=self.max_duration_s)
        return _Clip(hashlib.sha256(audio).hexdigest(), waveform.digest, waveform)

    def _plan(
        self, fields: CertifyFields, manifest: ModelManifest, samples_sha256: str
    ) -> tuple[Plan, Literal["service", "caller"]]:
        if fields.contract is ContractName.FEATURE and not manifest.has_features:
            raise InvalidPlan(
                f"Model {manifest.name!r} has no features before its classifier: it takes the waveform itself.",
                "Use contract 'waveform', which is the same for it.",
            )
        space: Literal["feature", "waveform"] = "feature" if fields.contract is ContractName.FEATURE else "waveform"
        sigma = fields.sigma if fields.sigma is not None else manifest.recommended_sigma[space]
        seed = fields.seed
        if seed is None:
            content = (
                samples_sha256,
                manifest.digest,
                fields.contract.value,
                fields.transform.value,
                repr(sigma),
                str(fields.n0),
                str(fields.n),
                repr(fields.alpha),
                fields.bound.value,
            )
            seed = own_seed(self.seed_key, *content)
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
            seed=seed,
            clip_sha256=samples_sha256,
        )
        return plan, "service" if fields.seed is None else "caller"


def _check_label(fields: CertifyFields, manifest: ModelManifest) -> None:
    if fields.label is not None and fields.label not in manifest.classes:
        raise UnknownLabel(
            f"{fields.label!r} is not a class of model {manifest.name!r}.",
            f"Classes: {', '.join(manifest.classes)}.",
        )


def own_seed(key: bytes, *content: str) -> int:
    """A seed that whoever sends the request cannot choose: a keyed hash of its content, 53 bits.

    Under one key the same sound and plan get the same seed, however the file is packed, so trying again does not try
    another one. Another key, sample, sigma, n, alpha, bound or transform does: each of those is a try of its own.
    """
    digest = hmac.digest(key, "\x1f".join(content).encode(), "sha256")
    return int.from_bytes(digest[:8], "big") >> (64 - SEED_BITS)
