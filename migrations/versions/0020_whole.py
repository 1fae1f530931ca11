"""What is only ever shown whole is kept as text (decision 0039)."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

WHOLE = (("incident_cards", "document"), ("timeline", "values"), ("board_changes", "row"))


def upgrade() -> None:
    connection = op.get_bind()
    # A database made by this release has them so from the baseline, and a text made text is not written again.
    connection.exec_driver_sql("ALTER TABLE read.board_changes ADD COLUMN IF NOT EXISTS category text")
    connection.exec_driver_sql(
        "UPDATE read.board_changes SET category = row::jsonb->>'category' WHERE category IS NULL"
    )
    for table, column in WHOLE:
        connection.exec_driver_sql(f'ALTER TABLE read.{table} ALTER "{column}" TYPE text USING "{column}"::text')


def downgrade() -> None:
    raise NotImplementedError("an older release looks into what was text")
