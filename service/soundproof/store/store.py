"""The store: everything that is kept, in one database."""

import time
from types import TracebackType

from sqlalchemy import column, table, update

from soundproof.store.certificates import Certificates
from soundproof.store.clips import Clips
from soundproof.store.clock import Clock
from soundproof.store.database import Database
from soundproof.store.jobs import Jobs
from soundproof.store.results import Results
from soundproof.store.retention import Retention
from soundproof.store.secret import Secrets
from soundproof.store.tally import Conservation
from soundproof.store.upgrade import VERSION_TABLE, bring_up

_VERSION = table(VERSION_TABLE, column("version_num"))


class Store:
    """Safe for many threads at once: every method of its parts is one transaction, on a connection of its own, that is
    committed when it returns and has left nothing behind when it raises. What is returned never changes.

    One service works on a store at a time: at its start it calls clips.recover(). If there were two by mistake, clips
    would be worked on twice, but settled once.

    Every method may raise StoreUnavailable. The call can be made again: what was done before the connection was lost is
    not done twice, as long as a job has an idempotency key.
    """

    def __init__(self, url: str, *, patience_s: float = 10.0, clock: Clock = time.time) -> None:
        """Open the store at `sqlite:///file` or `postgresql://...`, making or upgrading its tables.

        `patience_s`: how long a transaction waits for another's lock. Raises StoreRefused for an URL that cannot be
        used and for a store of a newer version, and StoreUnavailable.
        """
        self.database = Database(url, patience_s=patience_s)
        try:
            bring_up(self.database)
        except BaseException:
            self.database.close()
            raise
        self.certificates = Certificates(self.database, clock)
        self.jobs = Jobs(self.database, clock)
        self.clips = Clips(self.database, clock)
        self.results = Results(self.database)
        self.conservation = Conservation(self.database, clock)
        self.retention = Retention(self.database)
        self.secrets = Secrets(self.database, clock)

    def check(self) -> None:
        """Returns when the store has just been written, without a change; raises StoreUnavailable when it cannot be."""
        with self.database.writing() as connection:
            connection.execute(update(_VERSION).values(version_num=_VERSION.c.version_num))

    def close(self) -> None:
        """Give the connections back. Nothing has to be saved."""
        self.database.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
