"""The store becomes read-only while the service runs: reading and certifying go on, jobs wait, and then all goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg import sql
from tests.api.attack import GOOD, certificate, problem, wait_for
from tests.api.jobs.asking import FEW, ended, results, state, submit
from tests.conftest import serving
from tests.faults.injecting import certify, readiness
from tests.store.postgres_server import PostgresServer

from soundproof.store.schema import Base
from soundproof.store.store import Store
from soundproof.store.upgrade import VERSION_TABLE

REFUSING = sql.SQL(
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'read-only' USING ERRCODE = '25006'; END $$"
)


@contextmanager
def read_only(postgres: PostgresServer, database: str) -> Iterator[None]:
    """Whoever writes is told what a server says that was made another's standby."""
    postgres.execute(database, REFUSING)
    for name in (*Base.metadata.tables, VERSION_TABLE):
        trigger = sql.SQL("CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON {} EXECUTE FUNCTION refuse()")
        postgres.execute(database, trigger.format(sql.Identifier(name)))
    try:
        yield
    finally:
        postgres.execute(database, sql.SQL("DROP FUNCTION refuse CASCADE"))


def test_with_a_read_only_store_reading_and_certifying_go_on_and_jobs_wait(
    linear: Path, tmp_path: Path, postgres: PostgresServer
) -> None:
    database = postgres.create()
    url = postgres.url(database)
    with (
        serving(linear, tmp_path / "log", SOUNDPROOF_STORE=url) as service,
        service.client(kept=True) as client,
    ):
        kept = certificate(certify(client, seed=1))["certificate_id"]
        done = submit(client)["id"]
        ended(client, done)
        waiting = submit(client, [(f"{number}.wav", GOOD) for number in range(6)], n=2_000, sigma=2)["id"]
        with read_only(postgres, database):
            assert wait_for(lambda: readiness(client) == 503)
            assert "read-only" in client.get("/readyz").json()["detail"]
            assert client.get(f"/certificates/{kept}").is_success
            assert certificate(certify(client, seed=1))["certificate_id"] == kept
            certificate(certify(client, seed=2))
            assert len(results(client, done)) == 1
            answer = client.post("/jobs", files={"audio": ("a.wav", GOOD)}, data=FEW)
            problem(answer, 503, "store_unavailable")
            assert state(client, waiting)["clips"]["total"] == 6
        assert wait_for(lambda: readiness(client) == 200)
        assert ended(client, waiting)["clips"]["done"] == 6
    with Store(url) as store:
        assert store.conservation.faults() == ()
    assert "Traceback" not in (tmp_path / "log").read_text()
