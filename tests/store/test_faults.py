"""What the database cannot help: told as StoreUnavailable, with nothing half-written, and over when it is over."""

import os
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import event, text
from tests.smoothing.plans import plan_with
from tests.store.made import PROBLEM, certificate, claimed, clip, job, votes_of, work
from tests.store.postgres_server import USER, PostgresServer

from soundproof.errors import ClaimLost, JobFinished, StoreRefused, StoreUnavailable
from soundproof.smoothing.noise_address import Stage
from soundproof.store.certificates import KeptCertificate
from soundproof.store.store import Store

LARGE = os.urandom(1 << 16)


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def sqlite_url(sqlite_path: Path) -> str:
    return f"sqlite:///{sqlite_path}"


@contextmanager
def full_disk(store: Store, pages: int) -> Iterator[None]:
    """No room for more than so many pages beyond those that are there."""

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        (used,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {used + pages}").close()

    def unlimit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 4294967294").close()

    event.listen(store.database.engine, "checkout", limit)
    try:
        yield
    finally:
        event.remove(store.database.engine, "checkout", limit)
        event.listen(store.database.engine, "checkout", unlimit)


def large(number: int) -> KeptCertificate:
    return KeptCertificate(certificate_id=f"sha256:{number:064}", request_key=f"{number:064}", body=LARGE)


@pytest.mark.parametrize("pages", [0, 1, 3, 10])
def test_a_full_disk_leaves_nothing_half_written(sqlite_url: str, pages: int) -> None:
    with Store(sqlite_url) as store:
        accepted = store.jobs.submit(job(2)).job
        claim = claimed(store)
        store.clips.begin(claim, work())
        before = store.conservation.tally()
        with full_disk(store, pages):
            with pytest.raises(StoreUnavailable, match="disk of the store is full") as told:
                store.jobs.submit(job([clip(n) for n in range(100)]))
            assert told.value.code == "store_unavailable"
            assert told.value.hint
            with pytest.raises(StoreUnavailable):
                store.certificates.keep(large(1))
            with pytest.raises(StoreUnavailable):
                store.clips.finish(claim, large(2))
            assert store.conservation.tally() == before
            assert store.conservation.faults() == ()
            assert store.jobs.get(accepted.id).clips.running == 1
        assert store.clips.finish(claim, large(2)) == large(2)
        assert store.jobs.submit(job(100)).job.clips.queued == 100
        assert store.conservation.faults() == ()


def test_votes_that_find_no_room_can_be_sent_again(sqlite_url: str) -> None:
    with Store(sqlite_url) as store:
        store.jobs.submit(job(1))
        claim = claimed(store)
        plan = plan_with(classes=1000)
        store.clips.begin(claim, work(plan=plan))
        wide = [
            (block, votes_of(plan, block)) for block in [*plan.blocks(Stage.SELECTION), *plan.blocks(Stage.ESTIMATION)]
        ]
        with full_disk(store, 0), pytest.raises(StoreUnavailable):
            store.clips.record(claim, wide)
        store.clips.record(claim, wide)
        store.clips.release(claim)
        begun = claimed(store).begun
        assert begun is not None
        assert dict(begun.votes) == dict(wide)


def test_a_store_that_another_process_holds_is_busy(sqlite_url: str, sqlite_path: Path) -> None:
    with Store(sqlite_url, patience_s=0.1) as store:
        store.certificates.keep(certificate(1))
        other = sqlite3.connect(sqlite_path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="busy"):
            store.certificates.keep(certificate(2))
        with pytest.raises(StoreUnavailable, match="busy"):
            store.check()
        assert store.certificates.get(certificate(1).certificate_id) == certificate(1)  # readers do not wait
        other.execute("ROLLBACK")
        other.close()
        assert store.certificates.keep(certificate(2)) == certificate(2)
        store.check()


def test_a_read_only_store_answers_but_takes_nothing(sqlite_url: str, sqlite_path: Path) -> None:
    with Store(sqlite_url) as store:
        store.certificates.keep(certificate(1))
    with Store(f"sqlite:///file:{sqlite_path}?mode=ro&uri=true") as store:
        assert store.certificates.get(certificate(1).certificate_id) == certificate(1)
        for act in (
            lambda: store.certificates.keep(certificate(2)),
            lambda: store.jobs.submit(job(1)),
            store.check,
        ):
            with pytest.raises(StoreUnavailable, match="read-only"):
                act()


@pytest.mark.parametrize(
    "content", [b"no database, but a file of some length" * 200, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_file_that_is_no_store_is_told_as_such(sqlite_url: str, sqlite_path: Path, content: bytes) -> None:
    sqlite_path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        Store(sqlite_url)
    assert sqlite_path.read_bytes() == content


def test_a_folder_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        Store(f"sqlite:///{tmp_path}/nowhere/store.db")


def test_the_file_and_its_log_can_be_read_by_their_owner_only(sqlite_url: str, sqlite_path: Path) -> None:
    with Store(sqlite_url) as store:
        store.secrets.get("seed_key", lambda: b"secret")
        for path in sqlite_path.parent.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_sqlite_is_set_up_for_what_is_promised(sqlite_url: str) -> None:
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1, "busy_timeout": 10_000}
    with Store(sqlite_url) as store, store.database.reading() as connection:
        for pragma, value in expected.items():
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value, pragma


def test_deleted_audio_is_overwritten(sqlite_url: str, sqlite_path: Path) -> None:
    audio = bytes(clip(0xAB).audio())
    with Store(sqlite_url) as store:
        store.jobs.submit(job([clip(0xAB)]))
        claim = claimed(store)
        assert claim.audio == audio
    assert audio[100:600] in sqlite_path.read_bytes()
    with Store(sqlite_url) as store:
        store.clips.fail(claim, PROBLEM)
    left = b"".join(path.read_bytes() for path in sqlite_path.parent.iterdir())
    assert audio[100:600] not in left


@contextmanager
def failing(postgres: PostgresServer, database: str, sqlstate: str) -> Iterator[None]:
    """Whoever inserts audio into this database is told this SQLSTATE by the server."""
    raising = sql.SQL(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'as on /a/secret/path' USING ERRCODE = {}; END $$"
    ).format(sql.Literal(sqlstate))
    postgres.execute(database, raising)
    postgres.execute(database, sql.SQL("CREATE TRIGGER fail BEFORE INSERT ON clip_audio EXECUTE FUNCTION fail()"))
    try:
        yield
    finally:
        postgres.execute(database, sql.SQL("DROP TRIGGER fail ON clip_audio; DROP FUNCTION fail()"))


@pytest.fixture
def on_postgres(postgres: PostgresServer, postgres_store: str) -> Iterator[Store]:
    postgres.empty(postgres_store)
    with Store(postgres.url(postgres_store), patience_s=0.2) as opened:
        yield opened


@pytest.mark.parametrize(
    ("sqlstate", "said"),
    [("53100", "full"), ("25006", "read-only"), ("40P01", "busy"), ("53200", "reached"), ("58030", "cannot be read")],
)
def test_what_the_server_says_is_told_and_leaves_nothing_half_written(
    on_postgres: Store, postgres: PostgresServer, postgres_store: str, sqlstate: str, said: str
) -> None:
    with failing(postgres, postgres_store, sqlstate), pytest.raises(StoreUnavailable, match=said) as told:
        on_postgres.jobs.submit(job(3))
    assert "secret" not in str(told.value)
    assert on_postgres.conservation.tally().jobs.total == 0
    assert on_postgres.jobs.submit(job(3)).created


def test_a_fault_of_ours_is_not_told_as_the_databases(
    on_postgres: Store, postgres: PostgresServer, postgres_store: str
) -> None:
    with failing(postgres, postgres_store, "22000"), pytest.raises(Exception, match="secret") as raised:
        on_postgres.jobs.submit(job(1))
    assert not isinstance(raised.value, StoreUnavailable)


def test_a_lost_connection_is_told_and_replaced(
    on_postgres: Store, postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    end_others = sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    accepted = on_postgres.jobs.submit(job(1)).job

    def lose_it_half_way() -> None:
        with on_postgres.database.writing() as connection:
            connection.execute(text("UPDATE jobs SET turn = 99"))
            postgres.execute("postgres", end_others)
            connection.execute(text("DELETE FROM jobs"))

    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        lose_it_half_way()
    assert "terminat" in caplog.text
    assert on_postgres.jobs.get(accepted.id) == accepted


def test_a_row_that_another_holds_is_busy(on_postgres: Store, postgres: PostgresServer, postgres_store: str) -> None:
    accepted = on_postgres.jobs.submit(job(1)).job
    with psycopg.connect(f"host={postgres.folder} user={USER} dbname={postgres_store}") as other:
        other.execute("SELECT * FROM jobs FOR UPDATE")
        with pytest.raises(StoreUnavailable, match="busy"):
            on_postgres.jobs.cancel(accepted.id)
        other.rollback()
    assert on_postgres.jobs.cancel(accepted.id).clips.cancelled == 1


@pytest.mark.parametrize("acts", [("finish", "cancel"), ("vote", "cancel"), ("vote", "fail"), ("finish", "recover")])
def test_what_is_done_to_one_job_at_once_ends_without_a_deadlock(on_postgres: Store, acts: tuple[str, str]) -> None:
    [block] = work().plan.blocks(Stage.SELECTION)
    for number in range(10):
        accepted = on_postgres.jobs.submit(job(1)).job
        claim = claimed(on_postgres)
        on_postgres.clips.begin(claim, work())
        each: dict[str, Callable[[], object]] = {
            "finish": partial(on_postgres.clips.finish, claim, certificate(number)),
            "fail": partial(on_postgres.clips.fail, claim, PROBLEM),
            "vote": partial(on_postgres.clips.record, claim, [(block, votes_of(work().plan, block))]),
            "cancel": partial(on_postgres.jobs.cancel, accepted.id),
            "recover": on_postgres.clips.recover,
        }
        with ThreadPoolExecutor(2) as pool:
            for attempt in [pool.submit(each[name]) for name in acts]:
                # One of the two may come too late and is told so; anything else is wrong.
                assert attempt.exception() is None or isinstance(attempt.exception(), (ClaimLost, JobFinished))
        on_postgres.clips.recover()
        while on_postgres.clips.claim():
            pass
    assert on_postgres.conservation.faults() == ()


def test_a_server_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached") as told:
        Store(f"postgresql://somebody:secret@/name?host={tmp_path}")
    assert "secret" not in str(told.value)


def test_a_missing_driver_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreRefused, match=r"pip install 'soundproof\[postgres\]'"):
        Store("postgresql://host/name")


def test_writers_of_one_process_wait_no_longer_than_their_patience(sqlite_url: str) -> None:
    with Store(sqlite_url, patience_s=0.1) as store, ThreadPoolExecutor(1) as pool:
        with store.database.writing():
            waiting = pool.submit(store.certificates.keep, certificate(1))
            with pytest.raises(StoreUnavailable, match="busy"):
                waiting.result()
        assert store.certificates.keep(certificate(1)) == certificate(1)
