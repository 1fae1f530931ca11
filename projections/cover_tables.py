"""Rows of minimum cover: a family of its own in schema `read`."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from projections.columns import Ids, Instant, maybe, metadata, needed

cover = sa.Table(
    "cover",
    metadata,
    sa.Column("cover_id", sa.Uuid, primary_key=True, comment="stream of the rule"),
    needed("code", sa.Text, comment="of the rule"),
    needed("center_id", sa.Uuid),
    needed("visible_center_ids", Ids, comment="the center and all above it"),
    needed("required", sa.Integer),
    needed("free", sa.Integer, comment="when it fell or was restored, whichever was last"),
    maybe("fell_at", Instant, comment="since when there are too few; null: there are enough"),
    maybe("suggestion", JSONB, comment="who should move up: {suggestion_id, unit_id, call_sign, …}"),
    maybe("answer", JSONB, comment="what became of the last suggestion: {suggestion_id, answer, reason, at, by}"),
    needed("updated_at", Instant),
    needed("updated_position", sa.BigInteger),
    needed("version", sa.BigInteger),
    sa.Index("cover_visible", "visible_center_ids", postgresql_using="gin"),
)
