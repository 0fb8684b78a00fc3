"""Brings a database to this version's tables: Alembic, run by the service itself when it starts."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from soundproof.errors import StoreRefused
from soundproof.store.database import Database

# Not Alembic's own name for it, so that a database can be shared with another of its users.
VERSION_TABLE = "soundproof_schema"


def bring_up(database: Database, *, to: str = "head") -> None:
    """Make the tables in an empty database and upgrade older ones, all in one transaction: a crash leaves what was
    there before. Of several processes that start at once one does it and the others wait.

    Raises StoreRefused for tables of a newer version, which are left alone, and StoreUnavailable.
    """
    scripts = ScriptDirectory.from_config(_config())
    target = scripts.get_current_head() if to == "head" else to
    with database.reading() as connection:
        if _version(connection, scripts) == target:
            return
    with database.migrating() as connection:
        if _version(connection, scripts) != target:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, to)


def _version(connection: Connection, scripts: ScriptDirectory) -> str | None:
    """The version of the tables; None when there are none yet."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    version = context.get_current_revision()
    if version is not None and version not in {script.revision for script in scripts.walk_revisions()}:
        raise StoreRefused(
            f"The store was written by a newer version of Soundproof (its schema is {version!r}).",
            "Run that version, or restore a backup from before the upgrade.",
        )
    return version


def _config() -> Config:
    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    return config
