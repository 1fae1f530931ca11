"""Hand-overs of shifts and requests for mutual aid have rows."""

from __future__ import annotations

from alembic import op

from dispatch.store import migrate
from projections import aid_tables, handover_tables

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    # A database made by this release has them from the baseline, which makes every declared table.
    for table in (handover_tables.handovers, aid_tables.aid):
        table.create(connection, checkfirst=True)
    migrate.run_script(connection, migrate.GRANTS_SQL)


def downgrade() -> None:
    raise NotImplementedError("an older release does not look at them")
