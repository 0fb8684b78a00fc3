"""Stores for services that are killed and started anew."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.postgres_server import PostgresServer, binaries, postgres_server


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    folder = binaries()
    if folder is None:
        pytest.skip("PostgreSQL is not installed here: apt-get install postgresql")
    with postgres_server(folder) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    server: PostgresServer = request.getfixturevalue("server")
    return server.url(server.create())
