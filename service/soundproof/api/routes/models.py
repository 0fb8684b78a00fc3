"""GET /models and /models/{name}: what is served, and what it was measured to do."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from soundproof.api.catalog import Catalog
from soundproof.api.problems import problem_of
from soundproof.engine.pool import Pool
from soundproof.nets.manifest import ModelManifest
from soundproof.settings import Settings
from soundproof.terms import ALLOWED_RATES_HZ


class Limits(BaseModel):
    """What a request may ask for."""

    max_upload_bytes: int
    max_duration_s: float
    max_samples: int = Field(description="largest n, and largest n0")
    sample_rates_hz: list[int]


class ModelEntry(BaseModel):
    name: str
    state: Literal["ready", "loading", "refused"]
    reason: str | None = Field(None, description="why it is refused")
    digest: str | None = Field(None, description="SHA-256 of the manifest, weights' digest included")
    manifest: ModelManifest | None = Field(None, description="null where it could not be read")


class ModelList(BaseModel):
    default: str
    models: list[ModelEntry]
    limits: Limits


def router(catalog: Catalog, pool: Pool, settings: Settings) -> APIRouter:
    routes = APIRouter(tags=["models"])

    def entry(manifest: ModelManifest) -> ModelEntry:
        reason = pool.unavailable(manifest.name)
        return ModelEntry(
            name=manifest.name,
            state="refused" if reason else "ready" if pool.serves(manifest.name) else "loading",
            reason=reason,
            digest=manifest.digest,
            manifest=manifest,
        )

    def refusal(folder: str) -> ModelEntry:
        return ModelEntry(name=folder, state="refused", reason=catalog.refused[folder])

    @routes.get("/models", summary="What is served")
    async def models() -> ModelList:
        """Every model folder the service was given, with its state, its description and its measured accuracy."""
        refused = [refusal(name) for name in catalog.refused]
        return ModelList(
            default=catalog.default,
            models=[*map(entry, catalog.manifests.values()), *refused],
            limits=Limits(
                max_upload_bytes=settings.max_upload_bytes,
                max_duration_s=settings.max_duration_s,
                max_samples=settings.max_samples,
                sample_rates_hz=list(ALLOWED_RATES_HZ),
            ),
        )

    @routes.get("/models/{name}", summary="One model", responses={404: problem_of("unknown_model")})
    async def model(name: str) -> ModelEntry:
        """Its classes, front end, training noise, digests, licence and measured accuracy."""
        if name in catalog.refused and name not in catalog.manifests:
            return refusal(name)
        return entry(catalog.get(name))

    return routes
