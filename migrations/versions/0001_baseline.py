"""The log from its SQL file; the vault, the edges, the feeds and the projections from their metadata."""

from __future__ import annotations

from alembic import op

from dispatch.store import migrate

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    migrate.run_script(connection, migrate.LOG_SQL)
    for metadata in migrate.every_metadata():
        migrate.create_schema(connection, metadata)
    migrate.run_script(connection, migrate.GRANTS_SQL)


def downgrade() -> None:
    raise NotImplementedError("the log is never taken back: restore a backup instead")
