"""GET /models and /models/{name}: what is served, and what it was measured to do."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from soundproof.api.catalog import Entry
from soundproof.api.problems import problem_of
from soundproof.api.registry import Registry
from soundproof.engine.pool import Pool
from soundproof.nets.manifest import ModelManifest
from soundproof.settings import Settings
from soundproof.smoothing.plan import ContractName
from soundproof.terms import ALLOWED_RATES_HZ, Precision

State = Literal["ready", "available", "loading", "refused"]


class Limits(BaseModel):
    """What a request may ask for."""

    max_upload_bytes: int
    max_duration_s: float
    max_samples: int = Field(description="largest n, and largest n0")
    sample_rates_hz: list[int]
    formats: list[str] = Field(description="of clips: wav, and what else the operator allows of flac, ogg and mp3")


class ModelEntry(BaseModel):
    name: str
    version: str | None = Field(None, description="null where it could not be read, like all that follows")
    state: State = Field(
        description="ready: in the memory of a worker; available: loaded when the first request asks for it; "
        "loading: on its way into memory; refused: cannot be served"
    )
    reason: str | None = Field(
        None, description="why it is refused; for any other state, why its folder's present version is not served"
    )
    digest: str | None = Field(None, description="SHA-256 of the manifest, the digests of all files included")
    weights_sha256: str | None = None
    format: str | None = Field(None, description="the architecture's name")
    size_bytes: int | None = Field(None, description="of the files that are loaded")
    contracts: list[ContractName] = Field([], description="what can be asked for; feature needs a feature stage")
    precisions: list[Precision] = Field([], description="in which its network can compute")
    devices: list[str] = Field([], description="whose workers have it in memory")
    manifest: ModelManifest | None = Field(
        None, description="classes, rate, samples, gain, recommended sigma, measured accuracy, licence"
    )


class WorkerMemory(BaseModel):
    """One worker's share of the models."""

    device: str
    models: int
    size_bytes: int


class Memory(BaseModel):
    """What models may take, by the size of their files."""

    budget_bytes: int = Field(description="of each worker; a larger model is held alone")
    workers: list[WorkerMemory]


class LastReload(BaseModel):
    """The last reading of the models folder after the start, whatever came of it."""

    at: datetime
    result: Literal["applied", "unchanged", "partial", "rejected"]
    reason: str | None = Field(None, description="what was not taken up, and why")


class ModelList(BaseModel):
    default: str
    models: list[ModelEntry]
    limits: Limits
    memory: Memory
    read_at: datetime = Field(description="when the models that are served now were read")
    last_reload: LastReload | None = Field(None, description="null where there was none")


def router(registry: Registry, pool: Pool, settings: Settings) -> APIRouter:
    routes = APIRouter(tags=["models"])

    @routes.get("/models", summary="What is served")
    async def models() -> ModelList:
        """Every model folder of the service, with its state, its description and its measured accuracy."""
        catalog, reload = registry.catalog, registry.last_reload
        refused = [_refusal(name, reason) for name, reason in catalog.refused.items()]
        return ModelList(
            default=catalog.default,
            models=[*(_entry(entry, registry, pool) for entry in catalog.entries.values()), *refused],
            limits=Limits(
                max_upload_bytes=settings.max_upload_bytes,
                max_duration_s=settings.max_duration_s,
                max_samples=settings.max_samples,
                sample_rates_hz=list(ALLOWED_RATES_HZ),
                formats=["wav", *settings.allowed_formats],
            ),
            memory=Memory(
                budget_bytes=settings.model_memory_bytes,
                workers=[
                    WorkerMemory(device=slot.device, models=len(slot.shelf.held), size_bytes=slot.shelf.size_bytes)
                    for slot in pool.slots
                ],
            ),
            read_at=catalog.read_at,
            last_reload=LastReload(at=reload.at, result=reload.result, reason=reload.reason or None)
            if reload
            else None,
        )

    @routes.get("/models/{name}", summary="One model", responses={404: problem_of("unknown_model")})
    async def model(name: str) -> ModelEntry:
        """Its classes, front end, training noise, digests, licence and measured accuracy."""
        catalog = registry.catalog
        if name in catalog.refused and name not in catalog.entries:
            return _refusal(name, catalog.refused[name])
        return _entry(catalog.get(name), registry, pool)

    return routes


def _entry(entry: Entry, registry: Registry, pool: Pool) -> ModelEntry:
    manifest, digest = entry.manifest, entry.source.digest
    devices = pool.standing.holders(digest)
    unavailable = pool.standing.unavailable(digest)
    on_its_way = pool.standing.expected(digest) or (manifest.name == registry.catalog.default and pool.obstacle)
    state: State = "ready" if devices else "refused" if unavailable else "loading" if on_its_way else "available"
    contracts = [name for name in ContractName if name is not ContractName.FEATURE or manifest.has_features]
    return ModelEntry(
        name=manifest.name,
        version=manifest.version,
        state=state,
        reason=unavailable or entry.kept or None,
        digest=digest,
        weights_sha256=manifest.weights_sha256,
        format=manifest.architecture.name,
        size_bytes=entry.source.size_bytes,
        contracts=contracts,
        precisions=list(manifest.precisions),
        devices=list(devices),
        manifest=manifest,
    )


def _refusal(folder: str, reason: str) -> ModelEntry:
    return ModelEntry(name=folder, state="refused", reason=reason)
