"""Rows of what is measured: a family of its own in schema `read`."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from projections.columns import HOT, Ids, Instant, maybe, metadata, needed

service_times = sa.Table(
    "service_times",
    metadata,
    sa.Column("incident_id", sa.Uuid, primary_key=True),
    sa.Column("subject_id", sa.Uuid, primary_key=True, comment="the incident itself, an assignment or a case of it"),
    needed("kind", sa.Text, comment="incident, assignment or case"),
    maybe("agency", sa.Text, comment="responsible for the incident, the unit's, the department that has the case"),
    needed("began_at", Instant, comment="when its first fact happened: dates it"),
    needed("moments", JSONB, comment="[[name, instant, position]] of the facts that a definition may name"),
    maybe("category", sa.Text, comment="of the incident, in its own row only; so for the next five"),
    maybe("severity", sa.SmallInteger),
    maybe("priority", sa.SmallInteger),
    maybe("is_exercise", sa.Boolean),
    maybe("owner_center_id", sa.Uuid),
    maybe("owner_path", Ids),
    sa.Index("service_times_began", "kind", "began_at", "incident_id", "subject_id"),
    postgresql_with=HOT,
)
