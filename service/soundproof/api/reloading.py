"""When the models are read again: on SIGHUP, and when a watch of their folder says so."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from soundproof.api.registry import Registry

log = logging.getLogger("soundproof.api")


@asynccontextmanager
async def reloading(registry: Registry, *, watch_s: float, on_hangup: bool) -> AsyncIterator[None]:
    """Reload as long as this is entered. `watch_s`: seconds between two looks at the folder, 0 for none; `on_hangup`:
    whether this process's SIGHUP is ours, which only the main thread can have."""
    asked = asyncio.Event()
    tasks = [asyncio.create_task(_whenever(asked, registry))]
    if watch_s:
        tasks.append(asyncio.create_task(registry.watch(watch_s)))
    loop = asyncio.get_running_loop()
    if on_hangup:
        loop.add_signal_handler(signal.SIGHUP, asked.set)
    try:
        yield
    finally:
        if on_hangup:
            loop.remove_signal_handler(signal.SIGHUP)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _whenever(asked: asyncio.Event, registry: Registry) -> None:
    """Signals that come while the folder is read are one more reload together."""
    while True:
        await asked.wait()
        asked.clear()
        await registry.reload()
