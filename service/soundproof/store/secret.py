"""Secrets of the service's own, made once and kept.

What is at stake: with the key that seeds are derived from, one can compute which noise a request will meet before
sending it, and send the one whose noise one likes; certificates then hold with less than the confidence they state.
Nobody's audio or access depends on it. So it is kept as it is, in a database that only the service may read
(database.py makes the file so): to encrypt it with a key that lies beside it would keep out nobody who can read both.
Whoever wants it elsewhere gives the service its own key (SOUNDPROOF_SEED_KEY), which never comes here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select

from soundproof.store.clock import Clock, milliseconds
from soundproof.store.database import Database, insert_new
from soundproof.store.schema import SecretRow


@dataclass(frozen=True)
class Secrets:
    """Safe for many threads at once. Every method is a transaction of its own and may raise StoreUnavailable."""

    database: Database
    clock: Clock

    def get(self, name: str, make: Callable[[], bytes]) -> bytes:
        """The secret of that name. The first to ask for it makes it; from then on it is the same for everyone."""
        found = select(SecretRow.value).where(SecretRow.name == name)
        with self.database.reading() as connection:
            row = connection.execute(found).one_or_none()
        if row is not None:
            return row[0]
        with self.database.writing() as connection:
            made = {"name": name, "value": make(), "created_ms": milliseconds(self.clock)}
            insert_new(connection, SecretRow, made)
            return connection.execute(found).scalar_one()
