"""How the queries are run: by index, however many jobs and clips there are."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event, text
from tests.store.made import certificate, claimed, job, work

from soundproof.store.store import Store

LATER = datetime(2100, 1, 1, tzinfo=UTC)
JOBS = 3


@contextmanager
def statements(store: Store) -> Iterator[list[tuple[str, object]]]:
    """What is executed meanwhile, with its parameters."""
    heard: list[tuple[str, object]] = []

    def hear(*arguments: object) -> None:
        _, _, statement, parameters, _, many = arguments
        first = parameters[0] if many and isinstance(parameters, list) else parameters
        heard.append((str(statement), first))

    event.listen(store.database.engine, "before_cursor_execute", hear)
    try:
        yield heard
    finally:
        event.remove(store.database.engine, "before_cursor_execute", hear)


def settle_one(store: Store) -> None:
    claim = claimed(store)
    store.clips.begin(claim, work())
    store.clips.finish(claim, certificate(7))


OPERATIONS: dict[str, Callable[[Store, str], object]] = {
    "submit": lambda store, _: store.jobs.submit(job(2, idempotency_key="k")),
    "get": lambda store, job_id: store.jobs.get(job_id),
    "claim": lambda store, _: store.clips.claim(),
    "settle": lambda store, _: settle_one(store),
    "recover": lambda store, _: store.clips.recover(),
    "cancel": lambda store, job_id: store.jobs.cancel(job_id),
    "page": lambda store, job_id: store.results.page(job_id, after=1),
    "certificate": lambda store, _: store.certificates.get(certificate(1).certificate_id),
    "request": lambda store, _: store.certificates.answer_to(certificate(1).request_key),
    "keep": lambda store, _: store.certificates.keep(certificate(1)),
    "delete jobs": lambda store, _: store.retention.delete_jobs(finished_before=LATER),
    "delete certificates": lambda store, _: store.retention.delete_certificates(created_before=LATER, most=1),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_operation_reads_a_whole_table(store: Store, operation: str, kind: str) -> None:
    ids = [store.jobs.submit(job(3)).job.id for _ in range(JOBS)]
    store.certificates.keep(certificate(1))
    for _ in range(JOBS):
        store.clips.finish(claimed(store), certificate(2))
    store.clips.begin(claimed(store), work())
    with statements(store) as heard:
        OPERATIONS[operation](store, ids[0])
    explain = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN "}[kind]
    with store.database.writing() as connection:
        if kind == "postgresql":
            connection.execute(text("SET LOCAL enable_seqscan = off"))  # else tables of a few rows are read as a whole
        for statement, parameters in heard:
            if not re.match("SELECT|INSERT|UPDATE|DELETE", statement) or "pg_" in statement:
                continue
            plan = connection.exec_driver_sql(explain + statement, parameters).all()  # type: ignore[arg-type]
            for step in (str(row[-1]).strip() for row in plan):
                assert not re.search(r"Seq Scan", step), (statement, step)
                # By an index from its one end is how the next in turn is found.
                assert not re.match(r"SCAN (?!.*USING (COVERING )?INDEX)", step) or "CONSTANT" in step, (
                    statement,
                    step,
                )


def test_turns_are_taken_by_the_index_of_waiting_jobs(tmp_path: Path) -> None:
    """On SQLite only: what PostgreSQL does depends on how many rows there are."""
    plans: list[str] = []
    with Store(f"sqlite:///{tmp_path}/store.db") as store:
        store.jobs.submit(job(1))
        with statements(store) as heard:
            store.clips.claim()
        with store.database.reading() as connection:
            for statement, parameters in heard:
                if statement.startswith(("SELECT", "UPDATE")):
                    plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)  # type: ignore[arg-type]
                    plans += [row[-1] for row in plan]
    assert any("ix_jobs_waiting" in step for step in plans)
    assert any("ix_clips_queued (job_id=?)" in step for step in plans)
    assert not any("TEMP B-TREE" in step for step in plans)
