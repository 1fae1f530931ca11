"""Rows of operations say which incidents are an operation's from their first moment."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A database made by this release has it from the baseline, which makes every declared table.
    op.get_bind().exec_driver_sql("ALTER TABLE read.operations ADD COLUMN IF NOT EXISTS labels jsonb")


def downgrade() -> None:
    raise NotImplementedError("an older release does not look at it")
