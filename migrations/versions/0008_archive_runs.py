"""What the last run of the archive did that the worker made."""

from __future__ import annotations

from alembic import op

from dispatch.store import migrate, tables

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    # A database made by this release has it from the baseline, which makes every declared table.
    tables.archive_runs.create(connection, checkfirst=True)
    migrate.run_script(connection, migrate.GRANTS_SQL)


def downgrade() -> None:
    raise NotImplementedError("an older release does not look at it")
