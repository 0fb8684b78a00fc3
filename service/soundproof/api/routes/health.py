"""GET /livez, /readyz and /metrics."""

import asyncio
import contextlib
from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from soundproof.api.access.keyring import Keyring
from soundproof.api.gpus import Gpus
from soundproof.api.keeper import Keeper
from soundproof.api.metrics import Metrics
from soundproof.api.problems import problem_of
from soundproof.engine.pool import Pool
from soundproof.errors import StoreUnavailable


class Live(BaseModel):
    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    status: Literal["ready"] = "ready"


def router(pool: Pool, keeper: Keeper, metrics: Metrics, keyring: Keyring | None) -> APIRouter:
    gpus = Gpus(slot.device for slot in pool.slots)
    routes = APIRouter(tags=["operation"])

    @routes.get("/livez", summary="Is the process alive?")
    async def livez() -> Live:
        return Live()

    @routes.get("/readyz", summary="Can work make progress?", responses={503: problem_of("not_ready")})
    async def readyz() -> Readiness:
        """Ready means that a worker has loaded a model and answers, and that the store can be written, not merely that
        the process is up."""
        if obstacle := pool.obstacle or await keeper.obstacle():
            raise HTTPException(503, f"Not ready: {obstacle.rstrip('.')}.", {"Retry-After": "2"})
        return Readiness()

    @routes.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def exposition() -> Response:
        obstacle = await keeper.obstacle()
        metrics.ready(pool.obstacle is None and obstacle is None)
        metrics.store_up(obstacle is None)
        metrics.vitals(pool.vitals)
        if keyring:
            keyring.measure()
        metrics.gpus(await asyncio.to_thread(gpus.use))
        with contextlib.suppress(StoreUnavailable):
            metrics.jobs(await keeper.call(lambda store: store.conservation.tally()))
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return routes
