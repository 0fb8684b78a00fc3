"""Work that goes on beside the requests."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger("soundproof.api")


@asynccontextmanager
async def going_on(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs each of `work`, none of which ends by itself, for as long as this lasts."""
    tasks = [asyncio.create_task(each) for each in work]
    for task in tasks:
        task.add_done_callback(_told)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _told(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.critical("%s has ended", task.get_coro(), exc_info=error)
