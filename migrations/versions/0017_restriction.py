"""Rows of the board say whether the incident belongs to a restricted operation, and who knows of it."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

BOARD = ("restricted_by uuid", "cleared_center_ids uuid[]", "cleared_agencies text[]")
CHANGES = ("restricted_before", "restricted_after")


def upgrade() -> None:
    connection = op.get_bind()
    # A database made by this release has them from the baseline, which makes every declared table.
    for column in BOARD:
        connection.exec_driver_sql(f"ALTER TABLE read.board ADD COLUMN IF NOT EXISTS {column}")
    for name in CHANGES:
        connection.exec_driver_sql(
            f"ALTER TABLE read.board_changes ADD COLUMN IF NOT EXISTS {name} boolean NOT NULL DEFAULT false"
        )
    connection.exec_driver_sql(
        "CREATE INDEX IF NOT EXISTS board_restricted ON read.board (restricted_by) WHERE restricted_by IS NOT NULL"
    )


def downgrade() -> None:
    raise NotImplementedError("an older release does not look at them")
