"""From the request of POST /jobs to a job that can be handed to the store."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from fastapi import Request

from soundproof.api.jobs.clips import new_job
from soundproof.api.jobs.form import job_form_schema, read_job_form
from soundproof.api.jobs.limits import JobLimits
from soundproof.api.jobs.spool import Spool
from soundproof.api.parts import fault
from soundproof.store.submission import NewJob

__all__ = ["IDEMPOTENCY_KEY", "JobLimits", "job_form_schema", "read_job"]

IDEMPOTENCY_KEY = "Idempotency-Key"
_VISIBLE_ASCII = re.compile("[!-~]{1,255}")


@asynccontextmanager
async def read_job(request: Request, limits: JobLimits) -> AsyncIterator[NewJob]:
    """The job that a request hands in. Its clips can be read until the end of this context; nothing is left behind it.

    HTTPException, RequestValidationError or InvalidPlan say why the whole is refused, StoreUnavailable that the disk is
    full. A clip that is too large fails alone; whether the others are audio at all, nobody has looked yet.
    """
    key = _idempotency_key(request)
    with closing(Spool()) as spool:
        async with read_job_form(request, spool, limits.clips) as form:
            async with limits.unpacking:
                job = await asyncio.to_thread(new_job, form, spool, limits, key)
            yield job


def _idempotency_key(request: Request) -> str | None:
    keys = request.headers.getlist(IDEMPOTENCY_KEY)
    if not keys:
        return None
    if len(keys) > 1 or not _VISIBLE_ASCII.fullmatch(keys[0]):
        raise fault(IDEMPOTENCY_KEY, "must be 1 to 255 visible ASCII characters, once")
    return keys[0]
