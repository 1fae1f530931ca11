"""Outcomes, campaigns, checklists, requests for recordings, operations, watches; since when cameras are attached."""

from __future__ import annotations

from alembic import op

from dispatch.store import migrate
from projections import city_tables

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


LEVELS = ("first_level", "second_level", "third_level")
INDEXES = (
    *((name, "cameras", "code") for name in LEVELS),
    *((name, "sites", "site_class") for name in LEVELS[1:]),
)


def upgrade() -> None:
    connection = op.get_bind()
    # A database made by this release has them from the baseline, which makes every declared table.
    made = (
        city_tables.outcomes,
        city_tables.campaigns,
        city_tables.checklists,
        city_tables.evidence_requests,
        city_tables.operations,
        city_tables.operation_points,
        city_tables.watches,
    )
    for table in made:
        table.create(connection, checkfirst=True)
    for name, table, rest in INDEXES:
        level = LEVELS.index(name) + 1
        connection.exec_driver_sql(
            f"CREATE INDEX IF NOT EXISTS {table}_{name} ON read.{table} ((path[{level}]), {rest})"
        )
    connection.exec_driver_sql("ALTER TABLE read.cameras ADD COLUMN IF NOT EXISTS attached_at timestamptz")
    migrate.run_script(connection, migrate.GRANTS_SQL)


def downgrade() -> None:
    raise NotImplementedError("an older release does not look at them")
