"""Rows of hand-overs of shifts: a family of its own in schema `read`."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from projections.columns import Ids, Instant, maybe, metadata, needed

handovers = sa.Table(
    "handovers",
    metadata,
    sa.Column("handover_id", sa.Uuid, primary_key=True),
    needed("center_id", sa.Uuid),
    needed("path", Ids, comment="of the center: who is above it sees it too"),
    needed("giver_id", sa.Uuid),
    needed("taker_id", sa.Uuid),
    needed("state", sa.Text, comment="offered, signed or declined"),
    needed("counts", JSONB, comment="{incidents, orders, cases, aid}: how many are listed"),
    needed("positions", JSONB, comment="{incidents, orders, cases, aid}: at which each list is whole"),
    needed("incidents", JSONB, comment="[{incident_id, number, phase, priority, claimed_by, note, …}]"),
    needed("orders", JSONB, comment="[{order_id, number, kind, edition, acknowledge_by, note}]"),
    needed("cases", JSONB, comment="[{case_id, incident_number, class_code, phase, part, note, …}]"),
    maybe("note", sa.Text),
    needed("offered_at", Instant),
    needed("offered_position", sa.BigInteger),
    maybe("answered_at", Instant),
    maybe("answered_by", sa.Uuid),
    maybe("claims", sa.Text, comment="what became of the giver's claims: release or take"),
    needed("claims_moved", Ids, comment="incidents of which the giver's claim was released"),
    maybe("reason", sa.Text, comment="why it was declined"),
    needed("version", sa.BigInteger, comment="version of its stream: the ETag"),
    sa.Index("handovers_path", "path", postgresql_using="gin"),
    sa.Index("handovers_center_id_offered_position", "center_id", "offered_position"),
)
