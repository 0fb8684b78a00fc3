"""A store of every kind: the same tests run on SQLite and on a real PostgreSQL."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.store.postgres_server import PostgresServer

from soundproof.store.store import Store

KINDS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres_store(postgres: PostgresServer) -> str:
    """A database with the tables of a store, which tests use one after the other; its name."""
    name = postgres.create()
    Store(postgres.url(name)).close()
    return name


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def new_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes an empty store and gives its URL; on PostgreSQL in place of the one before."""
    if kind == "sqlite":
        numbers = iter(range(1_000_000))
        return lambda: f"sqlite:///{tmp_path}/store-{next(numbers)}.db"
    postgres: PostgresServer = request.getfixturevalue("postgres")
    database: str = request.getfixturevalue("postgres_store")

    def emptied() -> str:
        postgres.empty(database)
        return postgres.url(database)

    return emptied


@pytest.fixture
def url(new_url: Callable[[], str]) -> str:
    return new_url()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(url) as opened:
        yield opened
