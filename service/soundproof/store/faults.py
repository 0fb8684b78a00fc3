"""What goes wrong below the store, told as StoreUnavailable. Anything else is a fault of ours and passes unchanged.

What is told to callers names neither hosts nor files; the log has the database's own words.
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from soundproof.errors import StoreUnavailable

log = logging.getLogger("soundproof.store")

_FULL = ("The disk of the store is full.", "Ask the operator for room, or to delete old jobs and certificates.")
_READ_ONLY = ("The store cannot be written: it is read-only.", "Ask the operator to make it writable.")
BUSY = ("The store is busy.", "Send the request again in a moment.")
_DAMAGED = (
    "The store cannot be read.",
    "Ask the operator to check its disk, and to restore a backup if it is damaged.",
)
_AWAY = ("The store cannot be reached.", "Send the request again in a moment; if that does not help, ask the operator.")

# SQLite's primary result codes (sqlite.org/rescode.html).
_SQLITE = {
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_LOCKED: BUSY,
    sqlite3.SQLITE_NOMEM: _AWAY,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_IOERR: _DAMAGED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_CANTOPEN: _AWAY,
    sqlite3.SQLITE_PROTOCOL: BUSY,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}

# PostgreSQL's SQLSTATEs, whole or by class (its appendix A); the longest prefix counts.
_POSTGRESQL = {
    "08": _AWAY,  # connection exception
    "25006": _READ_ONLY,
    "25P03": _AWAY,  # did nothing in a transaction for too long
    "28": _AWAY,  # invalid authorization
    "3D": _AWAY,  # no such database
    "40": BUSY,  # rolled back: deadlock, serialization
    "53": _AWAY,  # insufficient resources
    "53100": _FULL,
    "55P03": BUSY,  # lock not available in time
    "57": _AWAY,  # operator intervention: shut down, starting up
    "57014": BUSY,  # statement took too long
    "58": _DAMAGED,  # system error
    "XX": _DAMAGED,  # internal error, data corrupted
}


@contextmanager
def faults_told() -> Iterator[None]:
    """Raises StoreUnavailable for what the database cannot help."""
    try:
        yield
    except NoConnectionFree as error:
        log.error("the store has no connection free")  # noqa: TRY400  (nothing else is in the traceback)
        raise StoreUnavailable(*BUSY) from error
    except DBAPIError as error:
        told = _told(error)
        if told is None:
            raise
        log.error("the store failed: %s", error.orig)  # noqa: TRY400  (the statement's parameters stay out of the log)
        raise StoreUnavailable(*told) from error


def _told(error: DBAPIError) -> tuple[str, str] | None:
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)
        return None if code is None else _SQLITE.get(code & 0xFF)
    state = getattr(cause, "sqlstate", None)
    if state is None:
        # The connection failed or was lost before the server could say anything.
        lost = error.connection_invalidated or type(cause).__name__ == "OperationalError"
        return _AWAY if lost else None
    return _POSTGRESQL.get(state) or _POSTGRESQL.get(state[:2])
