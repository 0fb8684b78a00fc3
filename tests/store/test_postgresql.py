"""What a store on PostgreSQL waits for, and what it does not."""

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from tests.store.made import claimed, job
from tests.store.postgres_server import PostgresServer

from soundproof.errors import StoreUnavailable
from soundproof.store import postgresql
from soundproof.store.store import Store

SHORT_S = 0.3


@pytest.fixture
def hurried(postgres: PostgresServer, postgres_store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store that gives its server a third of a second for a statement."""
    postgres.empty(postgres_store)
    monkeypatch.setattr(postgresql, "STATEMENT_S", SHORT_S)
    with Store(postgres.url(postgres_store)) as opened:
        yield opened


def test_a_statement_that_takes_too_long_is_given_up(hurried: Store) -> None:
    accepted = hurried.jobs.submit(job(1)).job

    def overlong() -> None:
        with hurried.database.writing() as connection:
            connection.execute(text("UPDATE jobs SET turn = 99"))
            connection.execute(text("SELECT pg_sleep(60)"))

    with pytest.raises(StoreUnavailable, match="busy"):
        overlong()
    assert hurried.jobs.get(accepted.id) == accepted
    assert claimed(hurried).job_id == accepted.id


def test_a_transaction_that_does_nothing_for_too_long_holds_no_lock(
    hurried: Store, caplog: pytest.LogCaptureFixture
) -> None:
    accepted = hurried.jobs.submit(job(1)).job

    def idle() -> None:
        with hurried.database.writing() as connection:
            connection.execute(text("UPDATE jobs SET turn = 99"))
            time.sleep(4 * SHORT_S)
            assert hurried.jobs.cancel(accepted.id).clips.cancelled == 1  # else it would wait for that row
            connection.execute(text("SELECT 1"))

    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        idle()
    assert "idle-in-transaction" in caplog.text


def test_migrations_take_as_long_as_they_take(hurried: Store) -> None:
    with hurried.database.migrating() as connection:
        connection.execute(text("SELECT pg_sleep(:s)"), {"s": 2 * SHORT_S})
        time.sleep(2 * SHORT_S)
        connection.execute(text("SELECT 1"))


def test_both_sides_look_whether_the_other_is_there(hurried: Store) -> None:
    with hurried.database.reading() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        of_the_client = raw.info.get_parameters()
    arguments = postgresql.connection_arguments(10, {})
    for name in ("keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"):
        assert of_the_client[name] == str(arguments[name])
    assert all(f"-c tcp_{name}=" in of_the_client["options"] for name in ("user_timeout", "keepalives_idle"))


def test_what_the_operators_url_says_counts_for_more(postgres: PostgresServer, postgres_store: str) -> None:
    url = postgres.url(postgres_store) + "&keepalives_idle=77&options=-c%20statement_timeout%3D12345"
    with Store(url) as store, store.database.reading() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        assert raw.info.get_parameters()["keepalives_idle"] == "77"
        shown = [connection.execute(text(f"SHOW {name}")).scalar() for name in ("statement_timeout", "timezone")]
    assert shown == ["12345ms", "UTC"]
