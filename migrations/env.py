"""Runs the revisions: on the connection `dispatch migrate` hands over, else on DATABASE_URL."""

from __future__ import annotations

import asyncio
import os

from alembic import context
from sqlalchemy import Connection

from dispatch.store import migrate


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=migrate.every_metadata(),
        include_schemas=True,
        include_name=migrate.is_ours,
        version_table=migrate.VERSION_TABLE,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_from_environment() -> None:
    async with migrate.engine(os.environ["DATABASE_URL"]).connect() as connection:
        await connection.run_sync(run)
        await connection.commit()


handed_over: Connection | None = context.config.attributes.get("connection")
if handed_over is not None:
    run(handed_over)
else:
    asyncio.run(run_from_environment())
