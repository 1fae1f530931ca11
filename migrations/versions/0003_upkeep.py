"""Answers to old idempotency keys can be forgotten; the gateways' intake says whether it hears."""

from __future__ import annotations

from alembic import op

from dispatch.store import migrate, tables

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A new database has it from the baseline, which makes every table that is declared.
    tables.listeners.create(op.get_bind(), checkfirst=True)
    migrate.run_script(op.get_bind(), migrate.UPKEEP_SQL)


def downgrade() -> None:
    raise NotImplementedError("the log is never taken back: restore a backup instead")
