"""The store as the service uses it: called from threads of its own, so that a slow disk never holds up the loop."""

import asyncio
import secrets
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from soundproof.errors import StoreUnavailable
from soundproof.store.store import Store

T = TypeVar("T")

# Calls at a time. SQLite has one writer; the others read, or wait.
THREADS = 4
# How long a look at the store's state is good for.
LOOKED_S = 1.0


class Keeper:
    """Opens the store at `url`; an empty one is a store of this process alone, which ends with it."""

    def __init__(self, url: str) -> None:
        """Raises StoreRefused and StoreUnavailable."""
        self._folder = None if url else tempfile.TemporaryDirectory(prefix="soundproof-")
        if self._folder:
            url = f"sqlite:///{Path(self._folder.name, 'store.db')}"
        self.store = Store(url)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store")
        self._looked_at = float("-inf")
        self._obstacle: str | None = None

    async def call(self, what: Callable[[Store], T]) -> T:
        """The result of `what`, which gets the store. It is done whether or not the caller waits for it."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, what, self.store)

    def seed_key(self, given: str) -> bytes:
        """The secret behind seeds of the service's own choice: the one given, else the store's own."""
        if given:
            return given.encode()
        return self.store.secrets.get("seed_key", lambda: secrets.token_hex(32).encode())

    async def obstacle(self) -> str | None:
        """Why nothing can be kept now; None when it can. Looked at once a second, however many ask."""
        if time.monotonic() - self._looked_at > LOOKED_S:
            self._looked_at = time.monotonic()
            try:
                await self.call(Store.check)
                self._obstacle = None
            except StoreUnavailable as error:
                self._obstacle = error.detail.rstrip(".")
        return self._obstacle

    async def close(self) -> None:
        """Once what is under way is done."""
        await asyncio.to_thread(self._threads.shutdown)
        self.store.close()
        if self._folder:
            self._folder.cleanup()
