"""Orders are found by their last change, as live streams ask; requests of citizens by when they were filed, and outages
of cameras by when they ended."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

INDEXES = (
    "orders_updated_position ON read.orders (updated_position)",
    "camera_spells_ended_at ON read.camera_spells (ended_at)",
    "reports_channel_filed_at ON read.reports (channel, filed_at)",
)


def upgrade() -> None:
    connection = op.get_bind()
    # A database made by this release has them from the baseline, which makes every declared table.
    for index in INDEXES:
        connection.exec_driver_sql(f"CREATE INDEX IF NOT EXISTS {index}")


def downgrade() -> None:
    raise NotImplementedError("an older release does not look at them")
