"""Old answers are found by a walk over their table, not by a search of all of it."""

from __future__ import annotations

from alembic import op

from dispatch.store import migrate

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    migrate.run_script(op.get_bind(), migrate.FORGETTING_SQL)


def downgrade() -> None:
    raise NotImplementedError("an older release calls another function: restore a backup instead")
