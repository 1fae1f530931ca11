"""Units are reserved, and stand by for other centers; minimum cover has rows."""

from __future__ import annotations

from alembic import op

from dispatch.store import migrate
from projections import cover_tables

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    # A database made by this release has them from the baseline, which makes every declared table.
    connection.exec_driver_sql(
        "ALTER TABLE read.units ADD COLUMN IF NOT EXISTS reservations jsonb NOT NULL DEFAULT '[]',"
        " ADD COLUMN IF NOT EXISTS posted jsonb"
    )
    cover_tables.cover.create(connection, checkfirst=True)
    migrate.run_script(connection, migrate.GRANTS_SQL)


def downgrade() -> None:
    raise NotImplementedError("an older release does not look at them")
