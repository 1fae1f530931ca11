"""Brings a database to the present schema: used by `dispatch migrate`, by `dispatch up` and by every test.

Works on an empty database, as its owner or a superuser, and may be run again by several processes at once: the second
waits for the first and finds nothing to do.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateSchema

import migrations
from dispatch.store import tables

LOG_SQL = Path(__file__).with_name("log.sql")
ARCHIVE_SQL = Path(__file__).with_name("archive.sql")
STORAGE_SQL = Path(__file__).with_name("storage.sql")
UPKEEP_SQL = Path(__file__).with_name("upkeep.sql")
FORGETTING_SQL = Path(__file__).with_name("forgetting.sql")
GRANTS_SQL = Path(__file__).with_name("grants.sql")
PROJECTIONS = "projections.tables"
"""The module whose `metadata` holds the tables of schema `read`."""
OUR_SCHEMAS = (*tables.SCHEMAS, "read")
MIGRATION_LOCK = 0x6C6F67
"""Advisory lock: one process migrates, the others wait."""
VERSION_TABLE = "schema_version"


async def migrate(dsn: str) -> None:
    """Run every revision that is missing, under one lock; nothing happens when none is."""
    database = engine(dsn)
    try:
        async with database.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK})
            await connection.commit()
            await connection.run_sync(_upgrade)
            await connection.commit()
    finally:
        await database.dispose()


async def pending(dsn: str) -> list[str]:
    """The revisions this database still lacks, oldest first; empty when it is up to date."""
    database = engine(dsn)
    try:
        async with database.connect() as connection:
            return await connection.run_sync(_pending)
    finally:
        await database.dispose()


def engine(dsn: str) -> AsyncEngine:
    """An engine that hands `dsn` to asyncpg as it is: SQLAlchemy's own parsing knows fewer forms (socket folders)."""

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(dsn)

    return create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)


def every_metadata() -> list[MetaData]:
    """The metadata of all tables outside the log: ours, and the projections' if that package has any yet."""
    for family in tables.FAMILIES:
        importlib.import_module(family)
    found = [tables.metadata]
    if importlib.util.find_spec(PROJECTIONS) is not None:
        found.append(importlib.import_module(PROJECTIONS).metadata)
    return found


def create_schema(connection: Connection, metadata: MetaData) -> None:
    """The schemas and tables of `metadata`; the schemas we promise exist even while they are empty."""
    for schema in OUR_SCHEMAS:
        connection.execute(CreateSchema(schema, if_not_exists=True))
    metadata.create_all(connection, checkfirst=False)


def apply_storage(connection: Connection, metadata: MetaData) -> None:
    """Give tables that are there the storage settings they are declared with; new ones are made with them."""
    for table in metadata.sorted_tables:
        wanted: Mapping[str, str] = table.dialect_options["postgresql"]["with"] or {}
        if wanted:
            settings = ", ".join(f"{name} = {value}" for name, value in wanted.items())
            connection.execute(text(f'ALTER TABLE {table.schema}."{table.name}" SET ({settings})'))


def run_script(connection: Connection, script: Path) -> None:
    """A whole SQL file in the transaction of `connection`: the driver's simple protocol takes many statements."""
    sql = script.read_text(encoding="utf-8")
    connection.execute(text("SELECT 1"))  # begins the transaction, which the driver below does not do by itself
    driver: Any = connection.connection.dbapi_connection
    driver.run_async(lambda postgres: postgres.execute(sql))


def is_ours(name: str | None, kind: str, _parents: Mapping[Any, Any]) -> bool:
    """Which schemas Alembic compares: the log is checked by its own test, the rest of the cluster is not ours."""
    return kind != "schema" or name in OUR_SCHEMAS


def configuration() -> Config:
    """Alembic's configuration without an ini file: the scripts lie in the package `migrations`."""
    config = Config()
    config.set_main_option("script_location", str(Path(next(iter(migrations.__path__)))).replace("%", "%%"))
    return config


def _upgrade(connection: Connection) -> None:
    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _pending(connection: Connection) -> list[str]:
    scripts = ScriptDirectory.from_config(configuration())
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    present = tuple(context.get_current_heads())
    return [script.revision for script in reversed([*scripts.iterate_revisions("heads", present or "base")])]
