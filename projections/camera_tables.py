"""Rows about how cameras are and were: spells in which one could not see, and what gateways promise. Schema `read`, as
`projections.tables`.
"""

from __future__ import annotations

import sqlalchemy as sa

from projections.columns import Instant, maybe, metadata, needed

camera_spells = sa.Table(
    "camera_spells",
    metadata,
    sa.Column("subject_id", sa.Uuid, primary_key=True, comment="the camera, or the gateway whose silence it was"),
    sa.Column("kind", sa.Text, primary_key=True, comment="health, arming or silence"),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False, comment="as the fact that began it counts"),
    needed("what", sa.Text, comment="offline, degraded, disarmed or silent"),
    maybe("source", sa.Text),
    maybe("reason", sa.Text),
    needed("began_at", Instant),
    maybe("ended_at", Instant, comment="null while it lasts"),
    needed("began_position", sa.BigInteger),
    sa.Index("camera_spells_began_at", "began_at"),
    sa.Index("camera_spells_ended_at", "ended_at"),
)

gateways = sa.Table(
    "gateways",
    metadata,
    sa.Column("gateway_id", sa.Uuid, primary_key=True),
    maybe("city", sa.Text),
    maybe("gateway", sa.Text),
    maybe("silent_after_s", sa.Integer, comment="null: nothing is expected of it"),
    maybe("promised_at", Instant),
    maybe("silent_since", Instant, comment="null while it is heard"),
    needed("silences", sa.Integer),
    sa.Index("gateways_gateway", "gateway"),
)
