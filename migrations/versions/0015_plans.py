"""Boards say the alarm level of an incident, and what its response plan asks for."""

from __future__ import annotations

from alembic import op

from dispatch.store import migrate

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    # A database made by this release has the columns from the baseline, which makes every declared table.
    for column in ("alarm_level smallint NOT NULL DEFAULT 1", "wanted jsonb NOT NULL DEFAULT '[]'"):
        connection.exec_driver_sql(f"ALTER TABLE read.board ADD COLUMN IF NOT EXISTS {column}")
    migrate.run_script(connection, migrate.GRANTS_SQL)


def downgrade() -> None:
    raise NotImplementedError("an older release does not look at them")
