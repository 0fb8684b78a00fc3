"""create_app(settings): the parts put together. Nothing here imports torch."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from soundproof import __version__
from soundproof.api import docs_page, problems
from soundproof.api.access import describe as access
from soundproof.api.access.door import Door
from soundproof.api.access.job_charges import JobCharges
from soundproof.api.access.keyring import Keyring
from soundproof.api.answers import Answers
from soundproof.api.background import going_on
from soundproof.api.certifier import Certifier
from soundproof.api.cut_off import CutOff
from soundproof.api.draining import Draining
from soundproof.api.head import Head
from soundproof.api.headers import SecurityHeaders
from soundproof.api.housekeeping import Housekeeping
from soundproof.api.jobs.intake import JobLimits
from soundproof.api.jobs.runner import Runner
from soundproof.api.keeper import Keeper
from soundproof.api.limits import BodyLimit, BodyLimits
from soundproof.api.metrics import Metrics
from soundproof.api.observe import Observe
from soundproof.api.problems import problem_of
from soundproof.api.registry import Registry
from soundproof.api.reloading import reloading
from soundproof.api.routes import certificates, certify, health, jobs, models, verify
from soundproof.api.tracing import tracing_to
from soundproof.api.uploads import Uploads
from soundproof.api.verifier import Verifier
from soundproof.audio.decoder import Decoder, installed
from soundproof.engine.admission import Limits
from soundproof.engine.child import WORKER
from soundproof.engine.devices import devices
from soundproof.engine.patience import Patience
from soundproof.engine.pool import Pool
from soundproof.engine.slot import Share
from soundproof.settings import Settings

DESCRIPTION = """\
Certifies audio classifiers by randomized smoothing: POST a WAV, get a certificate.

A certificate says that, with confidence 1 - alpha, the smoothed classifier gives the same answer for every point
within an l2 distance `radius` of the clip, and exactly what was certified: representation, noise, gain policy,
post-processing. Amplitudes are linear with full scale 1; SNRs are in dB, and lower is stronger; every radius is rounded
down, every SNR up.
Errors are `application/problem+json` (RFC 9457) with a stable `code`.

Method: arXiv:2606.04210, "Representation Matters in Randomized Smoothing for Audio Classification".
"""

# FastAPI's own, which tells raw addresses, query strings and messages of exceptions. api/tracing.py tells what may be.
NO_TELEMETRY = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def create_app(
    settings: Settings, *, worker_command: tuple[str, ...] = WORKER, reload_on_hangup: bool = False
) -> FastAPI:
    """The service. Its workers start with the application's lifespan and end with it, and so does its work on jobs.

    `reload_on_hangup`: SIGHUP reads the models again; for a process of its own, in whose main thread this runs.
    Raises ModelRefused when there is no model to serve, StoreRefused and StoreUnavailable, and UnsupportedAudio where
    nothing decodes the formats that are allowed.
    """
    metrics = Metrics()
    tracing = tracing_to(settings.tracing, metrics.spans)
    pool = Pool(
        devices=devices(settings.devices),
        limits=Limits(runs=settings.queue_runs, cost=settings.queue_cost, audio_bytes=settings.queue_audio_bytes),
        observer=metrics,
        share=Share(
            model_memory_bytes=settings.model_memory_bytes,
            cores=settings.cores,
            patience=Patience(unready_s=settings.worker_unready_s, stall_s=settings.worker_stall_s),
        ),
        worker_command=worker_command,
    )
    keyring = Keyring(settings.api_keys, metrics) if settings.api_keys else None
    charges = JobCharges()
    registry = Registry(settings.models, settings.default_model, pool, metrics)
    keeper = Keeper(settings.store.get_secret_value())
    uploads, seed_key = _uploads(settings), keeper.seed_key(settings.seed_key.get_secret_value())
    signing_key = settings.signer()
    answers = Answers(keeper, signing_key)
    certifier = Certifier(registry, pool, metrics, uploads, answers, seed_key, tracing)
    checking_keys = (signing_key.public,) if signing_key else ()
    verifier = Verifier(registry, pool, metrics, uploads, seed_key, checking_keys, settings.max_samples, tracing)
    runner = Runner(keeper, certifier, settings.job_places * len(pool.slots), charges, tracing)
    housekeeping = Housekeeping(keeper, settings.keep_jobs_days, settings.keep_certificates_days)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        pool.start()
        async with (
            reloading(registry, keyring, watch_s=settings.models_watch_s, on_hangup=reload_on_hangup),
            going_on(runner.run(), housekeeping.run()),
        ):
            yield
        await pool.stop()
        await keeper.close()
        await asyncio.to_thread(tracing.close)

    app = FastAPIOffline(
        title="Soundproof",
        summary="Certificates of robustness for audio classifiers",
        description=DESCRIPTION,
        version=__version__,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        telemetry=NO_TELEMETRY,
        docs_url=None,  # api/docs_page.py has it
        redoc_url=None,
        redirect_slashes=False,
        responses={"default": problem_of("any other error")},
    )
    problems.install(app)
    app.add_middleware(Head)
    app.add_middleware(Door, keyring=keyring)
    app.add_middleware(CutOff)
    app.add_middleware(
        BodyLimits,
        limit=BodyLimit(settings.max_upload_bytes, settings.body_deadline_s),
        larger={"/jobs": BodyLimit(settings.job_upload_bytes, settings.job_deadline_s)},
    )
    app.add_middleware(Observe, metrics=metrics, tracing=tracing)
    app.add_middleware(SecurityHeaders)  # added last, so outermost
    app.include_router(docs_page.router(app.title, app.openapi_url or ""))
    app.include_router(certify.router(certifier, settings.max_samples))
    app.include_router(verify.router(verifier, settings.max_samples))
    app.include_router(
        jobs.router(answers, runner, registry, charges, _job_limits(settings), settings.open_clips, tracing)
    )
    app.include_router(certificates.router(answers))
    app.include_router(models.router(registry, pool, settings))
    app.include_router(health.router(pool, keeper, metrics, keyring))
    app.openapi = _described(app)  # type: ignore[method-assign]
    app.state.pool = pool
    app.state.draining = Draining(pool, runner, settings.drain_s)
    return app


def _described(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """The OpenAPI document with what routes do not say by themselves, made when it is first asked for."""
    of_routes = app.openapi

    @cache
    def document() -> dict[str, Any]:
        found: dict[str, Any] = of_routes()
        problems.describe(found)
        access.describe(found)
        return found

    return document


def _uploads(settings: Settings) -> Uploads:
    if settings.allowed_formats:
        installed(settings.allowed_formats)
    decoder = Decoder(
        allowed=settings.allowed_formats,
        max_duration_s=settings.max_duration_s,
        max_upload_bytes=settings.max_upload_bytes,
        deadline_s=settings.decode_deadline_s,
    )
    return Uploads(settings.max_duration_s, decoder)


def _job_limits(settings: Settings) -> JobLimits:
    return JobLimits(
        clips=settings.job_clips,
        clip_bytes=settings.max_upload_bytes,
        expanded_bytes=settings.job_unpacked_bytes,
        expansion_ratio=settings.job_expansion,
        samples=settings.max_samples,
    )
