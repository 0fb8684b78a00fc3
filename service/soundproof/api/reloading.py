"""When models and API keys are read again: on SIGHUP, the models also when a watch of their folder says so."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from soundproof.api.access.keyring import Keyring
from soundproof.api.registry import Registry

log = logging.getLogger("soundproof.api")


@asynccontextmanager
async def reloading(
    registry: Registry, keyring: Keyring | None, *, watch_s: float, on_hangup: bool
) -> AsyncIterator[None]:
    """Reload as long as this is entered. `watch_s`: seconds between two looks at the folder, 0 for none; `on_hangup`:
    whether this process's SIGHUP is ours, which only the main thread can have."""
    # Of their own each: a key is withdrawn at once, however long a new model takes to load.
    reloads: list[Callable[[], Awaitable[object]]] = [registry.reload, *([keyring.reload] if keyring else [])]
    asked = [asyncio.Event() for _ in reloads]
    tasks = [asyncio.create_task(_whenever(*each)) for each in zip(asked, reloads, strict=True)]
    if watch_s:
        tasks.append(asyncio.create_task(registry.watch(watch_s)))
    loop = asyncio.get_running_loop()
    if on_hangup:
        loop.add_signal_handler(signal.SIGHUP, _set_all, asked)
    try:
        yield
    finally:
        if on_hangup:
            loop.remove_signal_handler(signal.SIGHUP)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _set_all(events: Iterable[asyncio.Event]) -> None:
    for event in events:
        event.set()


async def _whenever(asked: asyncio.Event, reload: Callable[[], Awaitable[object]]) -> None:
    """Signals that come while it reloads are one more reload together."""
    while True:
        await asked.wait()
        asked.clear()
        await reload()
