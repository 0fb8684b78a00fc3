"""Run by Alembic, on the connection and in the transaction that upgrade.py gives it."""

from alembic import context

from soundproof.store.schema import Base
from soundproof.store.upgrade import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite changes a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
