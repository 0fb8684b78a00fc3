"""A PostgreSQL server of the tests' own: in a temporary folder, reached by a socket in it, ended with the tests."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql

from soundproof.store.schema import Base

USER = "soundproof"
START_S = 60
_numbers = count()


def binaries() -> Path | None:
    """The folder of initdb and postgres: on the PATH, or where Debian's package has them."""
    found = shutil.which("initdb")
    folders = (
        [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    )
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


@dataclass(frozen=True)
class PostgresServer:
    folder: Path
    binaries: Path

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def create(self) -> str:
        """A new database; its name."""
        name = f"store_{next(_numbers)}"
        self.execute("postgres", sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name

    def empty(self, database: str) -> None:
        """Delete every row of a store."""
        tables = map(sql.Identifier, Base.metadata.tables)
        self.execute(database, sql.SQL("TRUNCATE {} RESTART IDENTITY").format(sql.SQL(", ").join(tables)))

    def execute(self, database: str, statement: sql.SQL | sql.Composed) -> None:
        with psycopg.connect(f"host={self.folder} user={USER} dbname={database}", autocommit=True) as connection:
            connection.execute(statement)

    def schema(self, database: str) -> str:
        """Everything that is defined in a database, as pg_dump writes it."""
        command = [str(self.binaries / "pg_dump"), "--schema-only", "-h", str(self.folder), "-U", USER, database]
        return str(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@contextmanager
def postgres_server(folder_of_binaries: Path) -> Iterator[PostgresServer]:
    """A running server. The server refuses to be root's, so where the tests are it gets a user with less to lose."""
    folder = Path(tempfile.mkdtemp(prefix="soundproof-pg-"))
    user = _unprivileged() if os.geteuid() == 0 else None
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    owner = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    data = folder / "data"
    initdb = [folder_of_binaries / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
    # Tests end processes, not the power: without fsync they take a fraction of the time.
    serve = [folder_of_binaries / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    process: subprocess.Popen[bytes] | None = None
    try:
        with (folder / "log").open("wb") as log:
            subprocess.run(initdb, check=True, stdout=log, stderr=log, cwd=folder, env=environment, **owner)  # type: ignore[call-overload]
            process = subprocess.Popen(serve, stdout=log, stderr=log, cwd=folder, env=environment, **owner)  # type: ignore[call-overload]
        server = PostgresServer(folder, folder_of_binaries)
        _wait_until_ready(server, process)
        yield server
    finally:
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGQUIT)  # at once: nothing of it is needed any more
            process.wait(60)
        shutil.rmtree(folder)


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise LookupError("no user to run PostgreSQL as")


def _wait_until_ready(server: PostgresServer, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            server.execute("postgres", sql.SQL("SELECT 1"))
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not start:\n{(server.folder / 'log').read_text()}")
