"""Each role may do what it does: no deleting of keys, no changing of what partners were told, projections only."""

from __future__ import annotations

from alembic import op

from dispatch.store import migrate

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    migrate.run_script(op.get_bind(), migrate.GRANTS_SQL)


def downgrade() -> None:
    """Nothing: an older release does with fewer rights what it did with more."""
