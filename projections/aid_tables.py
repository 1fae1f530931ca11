"""Rows of requests for mutual aid: a family of its own in schema `read`."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from projections.columns import Ids, Instant, maybe, metadata, needed

aid = sa.Table(
    "aid",
    metadata,
    sa.Column("aid_id", sa.Uuid, primary_key=True),
    needed("asker_center_id", sa.Uuid),
    needed("asked_center_id", sa.Uuid),
    needed("visible_center_ids", Ids, comment="both with all above them"),
    needed("phase", sa.Text),
    needed("wanted", JSONB, comment="[{kind, count}]"),
    needed("reason", sa.Text),
    maybe("incident_id", sa.Uuid),
    needed("answer_by", Instant),
    needed("ends_at", Instant, comment="until when the units are needed"),
    needed("is_overdue", sa.Boolean, comment="an answer was missed and still lacks"),
    maybe("acknowledged_at", Instant),
    maybe("answered_at", Instant, comment="when it was accepted or declined"),
    maybe("answer_note", sa.Text, comment="with the acceptance, or why it was declined or withdrawn"),
    needed("units", JSONB, comment="[{unit_id, call_sign, committed_at, released_at}]"),
    needed("requested_at", Instant),
    needed("requested_position", sa.BigInteger),
    needed("updated_at", Instant),
    needed("version", sa.BigInteger, comment="version of its stream: the ETag"),
    sa.Index("aid_visible", "visible_center_ids", postgresql_using="gin"),
    sa.Index("aid_requested_position", "requested_position"),
)
