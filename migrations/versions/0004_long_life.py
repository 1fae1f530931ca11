"""Where snapshots of long streams and of boards are kept; how tables are stored and cleaned that grow for years."""

from __future__ import annotations

from alembic import op

from dispatch.store import migrate, tables

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    # A database made by this release has them from the baseline, which makes every declared table.
    new = [tables.stream_snapshots, tables.board_baselines, tables.board_ended]
    tables.metadata.create_all(connection, tables=new, checkfirst=True)
    migrate.run_script(connection, migrate.GRANTS_SQL)
    migrate.run_script(connection, migrate.STORAGE_SQL)
    for metadata in migrate.every_metadata():
        migrate.apply_storage(connection, metadata)


def downgrade() -> None:
    raise NotImplementedError("an older release does not look at them")
