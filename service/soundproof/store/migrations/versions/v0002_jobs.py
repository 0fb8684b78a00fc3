"""Jobs, their clips, and what is kept of a clip while it is open: audio, plan and votes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

STATES = "state IN ('queued', 'running', 'done', 'failed', 'cancelled')"
ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("content_sha256", sa.String(64), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=True),
        sa.Column("finished_ms", sa.BigInteger(), nullable=True),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("clips", "queued", "running", "done", "failed", "cancelled")
        ),
        sa.Column("samples_planned", sa.BigInteger(), nullable=False),
        sa.Column("samples_settled", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_jobs_idempotency_key")),
        sa.CheckConstraint(STATES, name=op.f("ck_jobs_state")),
        sa.CheckConstraint("clips > 0", name=op.f("ck_jobs_has_clips")),
        sa.CheckConstraint(
            "queued >= 0 AND running >= 0 AND done >= 0 AND failed >= 0 AND cancelled >= 0", name=op.f("ck_jobs_counts")
        ),
        sa.CheckConstraint("clips = queued + running + done + failed + cancelled", name=op.f("ck_jobs_conserved")),
        sa.CheckConstraint("(state IN ('queued', 'running')) = (queued + running > 0)", name=op.f("ck_jobs_open")),
        sa.CheckConstraint("(finished_ms IS NULL) = (queued + running > 0)", name=op.f("ck_jobs_finished")),
        sa.CheckConstraint("state <> 'queued' OR (started_ms IS NULL AND running = 0)", name=op.f("ck_jobs_queued")),
        sa.CheckConstraint("state <> 'running' OR started_ms IS NOT NULL", name=op.f("ck_jobs_running")),
        sa.CheckConstraint("state <> 'done' OR (done > 0 AND cancelled = 0)", name=op.f("ck_jobs_done")),
        sa.CheckConstraint("state <> 'failed' OR (done = 0 AND cancelled = 0)", name=op.f("ck_jobs_failed")),
        sa.CheckConstraint("state <> 'cancelled' OR cancelled > 0", name=op.f("ck_jobs_cancelled")),
        sa.CheckConstraint("samples_settled >= 0 AND samples_settled <= samples_planned", name=op.f("ck_jobs_samples")),
        sa.CheckConstraint(
            "queued + running > 0 OR samples_settled = samples_planned", name=op.f("ck_jobs_samples_end")
        ),
    )
    waiting, finished = sa.text("queued > 0"), sa.text("finished_ms IS NOT NULL")
    op.create_index("ix_jobs_waiting", "jobs", ["turn", "id"], sqlite_where=waiting, postgresql_where=waiting)
    op.create_index("ix_jobs_finished", "jobs", ["finished_ms"], sqlite_where=finished, postgresql_where=finished)
    _clips()
    _of_open_clips()


def _clips() -> None:
    op.create_table(
        "clips",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("overrides", sa.JSON(), nullable=False),
        sa.Column("audio_sha256", sa.String(64), nullable=False),
        sa.Column("samples_planned", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("claim", sa.Integer(), nullable=False),
        sa.Column("certificate_id", sa.String(71), nullable=True),
        sa.Column("problem", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clips")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_clips_jobs"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["certificates.certificate_id"], name=op.f("fk_clips_certificates")
        ),
        sa.UniqueConstraint("job_id", "position", name=op.f("uq_clips_job_id_position")),
        sa.UniqueConstraint("id", "open", name=op.f("uq_clips_id_open")),
        sa.CheckConstraint(STATES, name=op.f("ck_clips_state")),
        sa.CheckConstraint("open = (state IN ('queued', 'running'))", name=op.f("ck_clips_open")),
        sa.CheckConstraint("(state = 'done') = (certificate_id IS NOT NULL)", name=op.f("ck_clips_certificate")),
        sa.CheckConstraint("(state = 'failed') = (problem IS NOT NULL)", name=op.f("ck_clips_problem")),
        sa.CheckConstraint("position >= 0 AND claim >= 0 AND samples_planned >= 0", name=op.f("ck_clips_counts")),
    )
    for name, columns, condition in (
        ("queued", ["job_id", "position"], "state = 'queued'"),
        ("running", ["job_id"], "state = 'running'"),
        ("certificate", ["certificate_id"], "certificate_id IS NOT NULL"),
    ):
        where = sa.text(condition)
        op.create_index(f"ix_clips_{name}", "clips", columns, sqlite_where=where, postgresql_where=where)


def _of_open_clips() -> None:
    op.create_table(
        "clip_audio",
        sa.Column("clip_id", ROW_NUMBER, autoincrement=False, nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("audio", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("clip_id", name=op.f("pk_clip_audio")),
        _open_clip("fk_clip_audio_clips"),
        sa.CheckConstraint("open", name=op.f("ck_clip_audio_open")),
    )
    op.create_table(
        "clip_work",
        sa.Column("clip_id", ROW_NUMBER, autoincrement=False, nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("generator", sa.Text(), nullable=False),
        sa.Column("backend", sa.Text(), nullable=False),
        sa.Column("service_version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("clip_id", name=op.f("pk_clip_work")),
        _open_clip("fk_clip_work_clips"),
        sa.CheckConstraint("open", name=op.f("ck_clip_work_open")),
    )
    op.create_table(
        "clip_votes",
        sa.Column("clip_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("block", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("invalid", sa.Integer(), nullable=False),
        sa.Column("deviation_sum", sa.Double(), nullable=False),
        sa.Column("ratio_sum", sa.Double(), nullable=False),
        sa.Column("measured", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("clip_id", "stage", "block", name=op.f("pk_clip_votes")),
        sa.ForeignKeyConstraint(
            ["clip_id"], ["clip_work.clip_id"], name=op.f("fk_clip_votes_clip_work"), ondelete="CASCADE"
        ),
        sa.CheckConstraint("samples > 0 AND invalid >= 0 AND measured >= 0", name=op.f("ck_clip_votes_counts")),
    )


def _open_clip(name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["clip_id", "open"], ["clips.id", "clips.open"], name=op.f(name), ondelete="CASCADE")
