"""A database behind an URL, and transactions on it: SQLite in a file, or a PostgreSQL server."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Executable,
    Insert,
    create_engine,
    event,
    func,
    literal_column,
    make_url,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from soundproof.errors import StoreRefused, StoreUnavailable
from soundproof.store import postgresql
from soundproof.store.faults import BUSY, faults_told
from soundproof.store.schema import Base

# A write-ahead log that grew beyond this, in bytes, is cut back when it has been copied into the file.
LARGEST_IDLE_LOG = 64 << 20
# Any numbers, as long as nothing else in the same PostgreSQL database locks them: "soundpr" in bytes, and what for.
MIGRATIONS, CLAIMS = 0x736F756E64707201, 0x736F756E64707202


class Database:
    """Safe for many threads at once: every transaction has a connection of its own, for as long as it lasts.

    `patience_s`: how long a transaction waits for another's lock before it is told that the store is busy.
    """

    def __init__(self, url: str, *, patience_s: float = 10.0) -> None:
        """Raises StoreRefused for an URL that names no such database. Nothing is opened yet."""
        self._url = checked_url(url)
        self._patience_s = patience_s
        self._pen = Lock()
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self.engine = self._connected(foreign_keys=True)
        if self.is_sqlite:
            self._writer = self.engine.execution_options(begin="BEGIN IMMEDIATE")
            self._reader = self.engine
        else:
            self._writer = self.engine.execution_options(isolation_level="READ COMMITTED")
            self._reader = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database throughout. It waits for no writer and no writer for it.

        Raises StoreUnavailable, in this and in every other transaction."""
        with faults_told(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is committed at the end, or leaves nothing behind when it is left by an error.

        SQLite has one writer at a time, who holds the lock from the start, so that what it reads is still true when it
        writes. On PostgreSQL whoever changes a job or its clips locks the job's row first (jobs.py), which has the
        same effect for this job."""
        with self._turn() if self.is_sqlite else nullcontext(), faults_told(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """SQLite's writers wait for each other by trying again, ever more seldom: with many of them in one process some
        would wait for seconds while others go first. Here they are woken instead."""
        if not self._pen.acquire(timeout=self._patience_s):
            raise StoreUnavailable(*BUSY)
        try:
            yield
        finally:
            self._pen.release()

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """A transaction in which tables can be made anew, alone among all processes. References between tables are
        checked at its end, since SQLite changes a table by copying it."""
        engine = self._connected(foreign_keys=False, poolclass=NullPool)
        try:
            with faults_told(), engine.execution_options(begin="BEGIN EXCLUSIVE").begin() as connection:
                alone(connection, MIGRATIONS)
                if not self.is_sqlite:
                    for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
                        connection.exec_driver_sql(f"SET LOCAL {limit} = 0")  # a table may be large
                yield connection
                if self.is_sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
                    raise StoreRefused(f"A migration left {len(broken)} rows that refer to nothing.")
        finally:
            engine.dispose()

    def close(self) -> None:
        self.engine.dispose()

    def _connected(self, *, foreign_keys: bool, **options: Any) -> Engine:
        if self.is_sqlite:
            _make_private(self._url)
            engine = create_engine(self._url, connect_args={"timeout": self._patience_s}, **options)
            event.listen(engine, "connect", _sqlite_set_up(foreign_keys=foreign_keys))
            event.listen(engine, "begin", _sqlite_begin)
            return engine
        try:
            # A connection that the server has closed meanwhile is replaced before it is used.
            arguments = postgresql.connection_arguments(self._patience_s, self._url.query)
            return create_engine(self._url, connect_args=arguments, pool_pre_ping=True, **options)
        except ModuleNotFoundError as error:
            raise StoreRefused(
                "There is no driver for PostgreSQL here.", "Install it: pip install 'soundproof[postgres]'."
            ) from error


def alone(connection: Connection, what: int) -> None:
    """Wait until no other transaction does the same. SQLite's writers are alone in any case."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(what)))


def insert_new(connection: Connection, table: type[Base], row: Mapping[str, Any]) -> bool:
    """Insert a row, unless it meets an existing one in any unique key; whether it was inserted.

    When another transaction has just inserted the same, this waits for its end, so that the row is there, and seen by
    the next statement, or is inserted here."""
    inserted: Executable = _insertion(connection, table).returning(literal_column("1"))
    return connection.execute(inserted, dict(row)).one_or_none() is not None


def insert_all_new(connection: Connection, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """The same with several rows, of which those are left out that are there."""
    connection.execute(_insertion(connection, table), [dict(row) for row in rows])


def _insertion(connection: Connection, table: type[Base]) -> Insert:
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415  (brings a dozen drivers' modules along)

        return insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def checked_url(url: str) -> URL:
    """The URL with the driver that is used. Raises StoreRefused for one that names no store, without showing it."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:  # its own message would show the URL, and a password with it
        raise StoreRefused(
            "The store's URL cannot be read.", "Examples: sqlite:///store.db, postgresql://host/name."
        ) from (error.with_traceback(None))
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StoreRefused("The store has to be in a file.", "Name one: sqlite:///store.db.")
    if backend == "sqlite":
        return parsed.set(drivername="sqlite+pysqlite")
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise StoreRefused(f"The store cannot be kept in {backend!r}.", "Use sqlite:///... or postgresql://....")


def _make_private(url: URL) -> None:
    """A new file can be read by its owner only: it holds what people said, and the service's secrets. SQLite gives its
    log the same permissions."""
    if url.database is None or url.database.startswith("file:"):
        return
    path = Path(url.database)
    if path.parent.is_dir() and not path.exists() and os.access(path.parent, os.W_OK):
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _sqlite_set_up(*, foreign_keys: bool) -> Callable[[sqlite3.Connection, object], None]:
    pragmas = (
        "journal_mode = WAL",  # readers and the writer do not wait for each other
        "synchronous = FULL",  # a commit is on the disk before it is answered: it survives the loss of power
        f"foreign_keys = {'ON' if foreign_keys else 'OFF'}",
        "secure_delete = ON",  # deleted audio is overwritten, not merely forgotten
        f"journal_size_limit = {LARGEST_IDLE_LOG}",
    )

    def set_up(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # transactions begin where _sqlite_begin says, not where the driver guesses
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").close()

    return set_up


def _sqlite_begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))
