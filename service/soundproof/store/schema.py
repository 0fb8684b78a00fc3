"""The tables. docs/store.md says in words what they hold and what their constraints make impossible.

Columns that end in `_ms` are Unix times in milliseconds, UTC. Migrations make these tables, never `create_all`; a test
holds both to the very same definitions.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from soundproof.store.states import State

Document = dict[str, Any]

# Conditions that partial indexes are made for. A query has to use the very same words, since an index for a condition
# is not considered where its number or name comes as a parameter.
WAITING_JOB = text("queued > 0")
FINISHED_JOB = text("finished_ms IS NOT NULL")
QUEUED_CLIP = text("state = 'queued'")
RUNNING_CLIP = text("state = 'running'")
CERTIFIED_CLIP = text("certificate_id IS NOT NULL")

_SHA256 = String(64)
_CERTIFICATE_ID = String(71)
_COUNTERS = ("queued", "running", "done", "failed", "cancelled")
_STATES = "state IN ('queued', 'running', 'done', 'failed', 'cancelled')"
# SQLite numbers rows by itself only where the key is INTEGER.
_ROW_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


class StateColumn(TypeDecorator[State]):
    """A State as its name."""

    impl = String(9)
    cache_ok = True

    def process_bind_param(self, value: State | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else State(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> State | None:  # noqa: ARG002
        return None if value is None else State(value)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(referred_table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )


class SecretRow(Base):
    __tablename__ = "secrets"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary)
    created_ms: Mapped[int] = mapped_column(BigInteger)


class CertificateRow(Base):
    """`body`: the bytes that are answered, always the same. `request_key`: see request_key.py."""

    __tablename__ = "certificates"
    __table_args__ = (UniqueConstraint("request_key"), Index("ix_certificates_created_ms", "created_ms"))

    certificate_id: Mapped[str] = mapped_column(_CERTIFICATE_ID, primary_key=True)
    request_key: Mapped[str] = mapped_column(_SHA256)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    body: Mapped[bytes] = mapped_column(LargeBinary)


class JobRow(Base):
    """`turn`: of the jobs with queued clips, the one with the least is served next. Samples are noise samples.
    `traceparent`: the W3C trace of the request that submitted it, where that was traced."""

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("idempotency_key"),
        CheckConstraint(_STATES, "state"),
        CheckConstraint("clips > 0", "has_clips"),
        CheckConstraint(" AND ".join(f"{name} >= 0" for name in _COUNTERS), "counts"),
        CheckConstraint(f"clips = {' + '.join(_COUNTERS)}", "conserved"),
        CheckConstraint("(state IN ('queued', 'running')) = (queued + running > 0)", "open"),
        CheckConstraint("(finished_ms IS NULL) = (queued + running > 0)", "finished"),
        CheckConstraint("state <> 'queued' OR (started_ms IS NULL AND running = 0)", "queued"),
        CheckConstraint("state <> 'running' OR started_ms IS NOT NULL", "running"),
        CheckConstraint("state <> 'done' OR (done > 0 AND cancelled = 0)", "done"),
        CheckConstraint("state <> 'failed' OR (done = 0 AND cancelled = 0)", "failed"),
        CheckConstraint("state <> 'cancelled' OR cancelled > 0", "cancelled"),
        CheckConstraint("samples_settled >= 0 AND samples_settled <= samples_planned", "samples"),
        CheckConstraint("queued + running > 0 OR samples_settled = samples_planned", "samples_end"),
        Index("ix_jobs_waiting", "turn", "id", sqlite_where=WAITING_JOB, postgresql_where=WAITING_JOB),
        Index("ix_jobs_finished", "finished_ms", sqlite_where=FINISHED_JOB, postgresql_where=FINISHED_JOB),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    idempotency_key: Mapped[str | None] = mapped_column(Text)
    content_sha256: Mapped[str] = mapped_column(_SHA256)
    fields: Mapped[Document] = mapped_column(JSON)
    state: Mapped[State] = mapped_column(StateColumn)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    started_ms: Mapped[int | None] = mapped_column(BigInteger)
    finished_ms: Mapped[int | None] = mapped_column(BigInteger)
    turn: Mapped[int] = mapped_column(BigInteger)
    clips: Mapped[int] = mapped_column(Integer)
    queued: Mapped[int] = mapped_column(Integer)
    running: Mapped[int] = mapped_column(Integer)
    done: Mapped[int] = mapped_column(Integer)
    failed: Mapped[int] = mapped_column(Integer)
    cancelled: Mapped[int] = mapped_column(Integer)
    samples_planned: Mapped[int] = mapped_column(BigInteger)
    samples_settled: Mapped[int] = mapped_column(BigInteger)
    traceparent: Mapped[str | None] = mapped_column(String(55))


class ClipRow(Base):
    """`open`: queued or running. What is kept for an open clip only refers to (id, open), so that no clip can be
    settled before it is deleted. `claim`: how often the clip was claimed; only the latest claim may write."""

    __tablename__ = "clips"
    __table_args__ = (
        ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["certificate_id"], ["certificates.certificate_id"]),
        UniqueConstraint("job_id", "position"),
        UniqueConstraint("id", "open"),
        CheckConstraint(_STATES, "state"),
        CheckConstraint("open = (state IN ('queued', 'running'))", "open"),
        CheckConstraint("(state = 'done') = (certificate_id IS NOT NULL)", "certificate"),
        CheckConstraint("(state = 'failed') = (problem IS NOT NULL)", "problem"),
        CheckConstraint("position >= 0 AND claim >= 0 AND samples_planned >= 0", "counts"),
        Index("ix_clips_queued", "job_id", "position", sqlite_where=QUEUED_CLIP, postgresql_where=QUEUED_CLIP),
        Index("ix_clips_running", "job_id", sqlite_where=RUNNING_CLIP, postgresql_where=RUNNING_CLIP),
        Index("ix_clips_certificate", "certificate_id", sqlite_where=CERTIFIED_CLIP, postgresql_where=CERTIFIED_CLIP),
    )

    id: Mapped[int] = mapped_column(_ROW_NUMBER, primary_key=True)
    job_id: Mapped[str] = mapped_column(String(36))
    position: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(Text)
    label: Mapped[str | None] = mapped_column(Text)
    overrides: Mapped[Document] = mapped_column(JSON)
    audio_sha256: Mapped[str] = mapped_column(_SHA256)
    samples_planned: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[State] = mapped_column(StateColumn)
    open: Mapped[bool]
    claim: Mapped[int] = mapped_column(Integer)
    certificate_id: Mapped[str | None] = mapped_column(_CERTIFICATE_ID)
    problem: Mapped[Document | None] = mapped_column(JSON(none_as_null=True))


class AudioRow(Base):
    """The uploaded file of an open clip."""

    __tablename__ = "clip_audio"
    __table_args__ = (
        ForeignKeyConstraint(["clip_id", "open"], ["clips.id", "clips.open"], ondelete="CASCADE"),
        CheckConstraint("open", "open"),
    )

    clip_id: Mapped[int] = mapped_column(_ROW_NUMBER, primary_key=True, autoincrement=False)
    open: Mapped[bool]
    audio: Mapped[bytes] = mapped_column(LargeBinary)


class WorkRow(Base):
    """What the votes of an open clip are votes of: see work.py."""

    __tablename__ = "clip_work"
    __table_args__ = (
        ForeignKeyConstraint(["clip_id", "open"], ["clips.id", "clips.open"], ondelete="CASCADE"),
        CheckConstraint("open", "open"),
    )

    clip_id: Mapped[int] = mapped_column(_ROW_NUMBER, primary_key=True, autoincrement=False)
    open: Mapped[bool]
    plan: Mapped[Document] = mapped_column(JSON)
    facts: Mapped[Document] = mapped_column(JSON)
    generator: Mapped[str] = mapped_column(Text)
    backend: Mapped[str] = mapped_column(Text)
    service_version: Mapped[str] = mapped_column(Text)


class VotesRow(Base):
    """The votes of one block: smoothing/certification.py's Votes at smoothing/plan.py's Block."""

    __tablename__ = "clip_votes"
    __table_args__ = (CheckConstraint("samples > 0 AND invalid >= 0 AND measured >= 0", "counts"),)

    clip_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("clip_work.clip_id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    stage: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    block: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    samples: Mapped[int] = mapped_column(Integer)
    counts: Mapped[list[int]] = mapped_column(JSON)
    invalid: Mapped[int] = mapped_column(Integer)
    deviation_sum: Mapped[float] = mapped_column(Double)
    ratio_sum: Mapped[float] = mapped_column(Double)
    measured: Mapped[int] = mapped_column(Integer)
