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

HOT = {"fillfactor": "70", "autovacuum_vacuum_scale_factor": "0.05"}
"""Room in each page for rows that change often."""
FEW = {"fillfactor": "50", "autovacuum_vacuum_threshold": "500", "autovacuum_vacuum_scale_factor": "0"}
"""A handful of rows that change all the time."""
ADDED = {
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.05",
    "autovacuum_freeze_min_age": "0",
}
"""Rows that never change are frozen the first time a vacuum sees them."""

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
    sa.Column("camera", sa.Text, nullable=True, comment="as the address it came to named it"),
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

stream_snapshots = sa.Table(
    "stream_snapshots",
    metadata,
    sa.Column("stream_id", sa.Uuid, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True, comment="which fold"),
    sa.Column("rules", sa.Text, nullable=False, comment="digest of the code that made it: others do not look at it"),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False, comment="of the fact at that version, which is checked"),
    sa.Column("state", sa.LargeBinary, nullable=False, comment="JSON"),
    sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
    schema="edge",
)

directory_baselines = sa.Table(
    "directory_baselines",
    metadata,
    sa.Column("rules", sa.Text, primary_key=True, comment="digest of the code that made it"),
    sa.Column("epoch", sa.Uuid, nullable=False, comment="of the log it was read from"),
    sa.Column("position", sa.BigInteger, nullable=False, comment="of the last fact in it, which is checked"),
    sa.Column("fact_sha256", sa.LargeBinary, nullable=False, comment="of that fact"),
    sa.Column("read_to", sa.BigInteger, nullable=False, comment="no such fact lies between `position` and here"),
    sa.Column("document", sa.LargeBinary, nullable=False, comment="its entries, lines of JSON under zlib"),
    sa.Column("sha256", sa.LargeBinary, nullable=False),
    sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
    schema="edge",
)

board_baselines = sa.Table(
    "board_baselines",
    metadata,
    sa.Column("rules", sa.Text, primary_key=True, comment="digest of the code that made it"),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("latest_occurred_at", sa.DateTime(timezone=True), nullable=False, comment="of all facts up to there"),
    sa.Column("rows_on_board", sa.Integer, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False, comment="the rows on the board, JSON under zlib"),
    sa.Column("sha256", sa.LargeBinary, nullable=False),
    sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
    schema="edge",
)

board_ended = sa.Table(
    "board_ended",
    metadata,
    sa.Column("rules", sa.Text, primary_key=True),
    sa.Column("incident_id", sa.Uuid, primary_key=True),
    sa.Column(
        "kept_at", sa.BigInteger, primary_key=True, autoincrement=False, comment="the first baseline after it ended"
    ),
    sa.Column("updated_position", sa.BigInteger, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False, comment="its row, JSON under zlib"),
    sa.Column("sha256", sa.LargeBinary, nullable=False),
    schema="edge",
)

unit_positions = sa.Table(
    "unit_positions",
    metadata,
    sa.Column("unit_id", sa.Uuid, primary_key=True),
    sa.Column("lon", sa.Double, nullable=False),
    sa.Column("lat", sa.Double, nullable=False),
    sa.Column("source", sa.Text, nullable=False, comment="who said so: avl, operator, partner"),
    sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False, comment="the device's own time"),
    sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
    schema="edge",
    postgresql_with=HOT,
)

gateways_heard = sa.Table(
    "gateways_heard",
    metadata,
    sa.Column("gateway", sa.Text, primary_key=True),
    sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False, comment="the last sign of life, within seconds"),
    schema="edge",
    postgresql_with=HOT,
)

listeners = sa.Table(
    "listeners",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("heard_at", sa.DateTime(timezone=True), nullable=True, comment="when some process last knew it hears"),
    sa.Column("trouble", sa.Text, nullable=True, comment="why the last one to report does not"),
    sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
    schema="edge",
)

archive_runs = sa.Table(
    "archive_runs",
    metadata,
    sa.Column("is_the_last", sa.Boolean, primary_key=True, server_default=sa.true(), comment="one row: the last run"),
    sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ranges_moved", sa.Integer, nullable=False),
    sa.Column("said", sa.Text, nullable=False, comment="why it went no further, or what went wrong"),
    sa.Column("well", sa.Boolean, nullable=False),
    schema="edge",
)

feed_entries = sa.Table(
    "entries",
    metadata,
    sa.Column("agency", sa.Text, primary_key=True),
    sa.Column(
        "sequence", sa.BigInteger, primary_key=True, autoincrement=False, comment="contiguous from 1, per agency"
    ),
    sa.Column("position", sa.BigInteger, nullable=False, comment="of the fact in the log"),
    sa.Column("message_id", sa.Uuid, nullable=False, comment="a function of the fact, the agency and the type"),
    sa.Column("type", sa.Text, nullable=False, comment="name of the public contract, with its version"),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("headers", sa.Text, nullable=False, comment="JSON object of the CloudEvents attributes, as sent"),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="as sent, byte for byte"),
    sa.Column("from_partner", sa.Boolean, nullable=False, comment="caused by a command of this very agency"),
    sa.Column("written_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.UniqueConstraint("agency", "message_id"),
    schema="feed",
    postgresql_with=ADDED,
)

feed_incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("incident_id", sa.Uuid, primary_key=True),
    sa.Column("state", sa.Text, nullable=False, comment="JSON: what the next message about it is made from"),
    schema="feed",
    postgresql_with=HOT,
)

feed_checkpoints = sa.Table(
    "checkpoints",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    schema="feed",
    postgresql_with=FEW,
)

feed_parked = sa.Table(
    "parked",
    metadata,
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("stream_id", sa.Uuid, nullable=False, comment="its later facts are parked too"),
    sa.Column("reason", sa.Text, nullable=False),
    schema="feed",
)

feed_relays = sa.Table(
    "relays",
    metadata,
    sa.Column("agency", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False, comment="last one its stream acknowledged"),
    sa.Column("trouble", sa.Text, nullable=True, comment="why it does not go on; NULL when it does"),
    sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
    schema="feed",
    postgresql_with=FEW,
)
