"""The list of urban-management cases."""

from __future__ import annotations

from alembic import op

from dispatch.store import migrate
from projections import case_tables

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    # A database made by this release has it from the baseline, which makes every declared table.
    case_tables.cases.create(connection, checkfirst=True)
    migrate.run_script(connection, migrate.GRANTS_SQL)


def downgrade() -> None:
    raise NotImplementedError("an older release does not look at it")
