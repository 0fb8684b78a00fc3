"""Migrations: they make exactly the tables that the code is written for, from whatever was there before."""

import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from tests.store.made import certificate, job
from tests.store.postgres_server import PostgresServer

from soundproof.errors import StoreRefused
from soundproof.store.certificates import keep
from soundproof.store.database import Database
from soundproof.store.schema import Base
from soundproof.store.store import Store
from soundproof.store.upgrade import VERSION_TABLE, bring_up


@pytest.fixture
def empty(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    postgres: PostgresServer = request.getfixturevalue("postgres")
    return postgres.url(postgres.create())


def sqlite_schema(path: Path) -> set[str]:
    """Every definition, its parts in alphabetical order: SQLite keeps them as they were written."""
    with sqlite3.connect(path) as connection:
        definitions = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    spaced = [
        re.sub(r"\s+", " ", definition).rstrip(" )") for (definition,) in definitions if VERSION_TABLE not in definition
    ]
    return {
        " | ".join([spaced_.split("(")[0], *sorted(part.rstrip(" )") for part in re.split(r"[(,] ", spaced_))])
        for spaced_ in spaced
    }


def test_migrations_make_exactly_the_tables_of_the_metadata_on_sqlite(tmp_path: Path) -> None:
    Store(f"sqlite:///{tmp_path}/migrated.db").close()
    engine = create_engine(f"sqlite:///{tmp_path}/created.db")
    Base.metadata.create_all(engine)
    engine.dispose()
    migrated, created = (sqlite_schema(tmp_path / f"{name}.db") for name in ("migrated", "created"))
    assert migrated == created
    assert len(created) == len(Base.metadata.tables) + sum(
        len(table.indexes) for table in Base.metadata.tables.values()
    )


def test_migrations_make_exactly_the_tables_of_the_metadata_on_postgresql(postgres: PostgresServer) -> None:
    migrated, created = postgres.create(), postgres.create()
    Store(postgres.url(migrated)).close()
    engine = create_engine(postgres.url(created).replace("postgresql:", "postgresql+psycopg:"))
    Base.metadata.create_all(engine)
    engine.dispose()

    def definitions(database: str) -> set[str]:
        dumped = re.split(r"\n\n+", postgres.schema(database))
        return {part for part in dumped if VERSION_TABLE not in part and not part.startswith(("--", "\\"))}

    assert definitions(migrated) == definitions(created)
    assert len(definitions(created)) > 20


def test_a_store_that_is_up_to_date_is_left_alone(url: str) -> None:
    with Store(url) as store:
        store.jobs.submit(job(1))
    with Store(url) as store:
        assert store.conservation.tally().clips.queued == 1


def test_an_older_store_is_upgraded_and_keeps_what_it_has(empty: str) -> None:
    database = Database(empty)
    bring_up(database, to="0001")
    with database.writing() as connection:
        keep(connection, certificate(1), 0)
    database.close()
    with Store(empty) as store:
        assert store.certificates.get(certificate(1).certificate_id) == certificate(1)
        assert store.jobs.submit(job(1)).created


def test_a_newer_store_is_refused_and_left_alone(empty: str) -> None:
    with Store(empty) as store, store.database.writing() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))  # noqa: S608
    with pytest.raises(StoreRefused, match=r"newer version.*'9999'"):
        Store(empty)
    database = Database(empty)
    with database.reading() as connection:
        assert connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one() == "9999"  # noqa: S608
    database.close()


def test_services_that_start_at_once_make_the_tables_once(empty: str) -> None:
    def start(n: int) -> str:
        with Store(empty, patience_s=60) as store:
            return store.certificates.keep(certificate(n, key=0)).certificate_id

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(start, range(4)))) == 1


def test_a_migration_that_fails_leaves_what_was_there(empty: str) -> None:
    database = Database(empty)
    bring_up(database, to="0001")
    with database.writing() as connection:
        connection.execute(text("CREATE TABLE clips (id INTEGER)"))  # in the way of the second half of the next
    with pytest.raises((OperationalError, ProgrammingError), match="clips"):
        bring_up(database)
    with database.writing() as connection:
        connection.execute(text("DROP TABLE clips"))
    bring_up(database)
    database.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite://", "in a file"),
        ("sqlite:///:memory:", "in a file"),
        ("mysql://host/name", "'mysql'"),
        ("no url with a secret", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_an_url_that_names_no_store_is_refused(url: str, said: str) -> None:
    with pytest.raises(StoreRefused, match=said) as refused:
        Store(url)
    assert "secret" not in str(refused.value)
