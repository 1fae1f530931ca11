"""How cameras are and were, what gateways promise, and when each was last heard."""

from __future__ import annotations

from alembic import op

from dispatch.store import migrate, tables
from projections import camera_tables

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

COLUMNS = (
    "attachments jsonb NOT NULL DEFAULT '[]'",
    "health text NOT NULL DEFAULT 'online'",
    "health_source text",
    "health_reason text",
    "health_since timestamptz",
    "armed boolean NOT NULL DEFAULT true",
    "armed_source text",
    "armed_cause text",
    "armed_reason text",
    "armed_since timestamptz",
)
"""Of `cameras`. The defaults are for the rows of the old fold, until those of the new one take their place."""


def upgrade() -> None:
    connection = op.get_bind()
    # A database made by this release has them from the baseline, which makes every declared table.
    for table in (camera_tables.camera_spells, camera_tables.gateways, tables.gateways_heard):
        table.create(connection, checkfirst=True)
    for column in COLUMNS:
        connection.exec_driver_sql(f"ALTER TABLE read.cameras ADD COLUMN IF NOT EXISTS {column}")
    migrate.run_script(connection, migrate.GRANTS_SQL)


def downgrade() -> None:
    raise NotImplementedError("an older release does not look at them")
