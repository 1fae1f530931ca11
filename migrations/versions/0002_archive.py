"""Old ranges of the log may lie in files; tables only appended to and tables always rewritten say so to autovacuum."""

from __future__ import annotations

from alembic import op

from dispatch.store import migrate

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    migrate.run_script(op.get_bind(), migrate.ARCHIVE_SQL)


def downgrade() -> None:
    raise NotImplementedError("what lies in files cannot be put back by a schema: restore a backup instead")
