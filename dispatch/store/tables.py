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
    sa.Column("sha256", sa.Text, primary_key=True, comment="of adapter, source and body, joined by line feeds"),
    sa.Column("adapter", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("gateway", sa.Text, nullable=True, comment="whose credential brought it; NULL for operators"),
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("crs", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="as received; only its head if `whole` is false"),
    sa.Column("whole", sa.Boolean, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("deliveries", sa.Integer, nullable=False, server_default="1"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0", comment="how often it was re-driven"),
    sa.Column("redriven_at", sa.DateTime(timezone=True), nullable=True, comment="when it was understood at last"),
    sa.Index(None, "received_at", "sha256"),
    schema="edge",
)
