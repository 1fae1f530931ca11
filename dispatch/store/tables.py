"""Tables that are neither the log nor a projection, as SQLAlchemy Core: schemas `edge`, `vault` and `feed`.

Add a table here (or, for a large family, in a module that imports `metadata` and is named in `FAMILIES`), and the
migrations create it, grant it, and the test "migrations == schema" watches it.

edge   what arrived and is not a fact of the log: quarantined messages, positions of operators and vehicles
vault  the keys of sealed personal fields; losing this schema is losing those fields, on purpose
feed   what each partner is to receive, with its own contiguous sequence
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

SCHEMAS = ("edge", "vault", "feed")

FAMILIES: tuple[str, ...] = ()
"""Modules that add tables to `metadata` when imported; migrations import them all."""

subject_keys = sa.Table(
    "subject_keys",
    metadata,
    sa.Column("subject_id", sa.Uuid, primary_key=True),
    sa.Column("wrapped_key", sa.LargeBinary, nullable=True, comment="NULL once destroyed: never made anew"),
    sa.Column("master_key_id", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("destroyed_at", sa.DateTime(timezone=True), nullable=True),
    schema="vault",
)

quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column("quarantine_id", sa.Uuid, primary_key=True),
    sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("source", sa.Text, nullable=False, comment="the adapter and the gateway it came by"),
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="as received, byte for byte"),
    sa.Column("reason_code", sa.Text, nullable=False),
    sa.Column("reason_detail", sa.Text, nullable=False),
    sa.Column("redriven_at", sa.DateTime(timezone=True), nullable=True),
    sa.Column("redriven_as", sa.Text, nullable=True, comment="what became of it: a stream id, or the new reason"),
    sa.Index(None, "received_at"),
    schema="edge",
)
