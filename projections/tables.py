"""The rows people look at: schema `read`, written by the projector only, thrown away and rebuilt at will.

What a screen filters or sorts by is a column; what it only shows may lie in a JSON column. Columns that change with
every folded alert (`alert_count`, `updated_position`, …) stand in no index, so that such an update stays in its page.
An id inside JSON is its text form, an instant its ISO 8601 form.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

SCHEMA = "read"

metadata = sa.MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    },
)

HOT = {"fillfactor": "70", "autovacuum_vacuum_scale_factor": "0.05"}
"""Room in each page for rows that change often."""
FEW = {"fillfactor": "50", "autovacuum_vacuum_threshold": "500", "autovacuum_vacuum_scale_factor": "0"}
"""A handful of rows that change with every page."""
ADDED = {
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.05",
    "autovacuum_freeze_min_age": "0",
}
"""Rows that never change are frozen the first time a vacuum sees them."""
PASSING = {"autovacuum_vacuum_scale_factor": "0.02", "autovacuum_vacuum_insert_scale_factor": "0.1"}
"""Rows that are written once and gone a quarter of an hour later."""


def _needed(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, **options)


def _maybe(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True, **options)


Instant = sa.DateTime(timezone=True)
Ids = ARRAY(sa.Uuid)
Codes = ARRAY(sa.Text)

# --- How far each projection has come ---------------------------------------------------------------------------------

checkpoints = sa.Table(
    "checkpoints",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    _needed("position", sa.BigInteger, comment="the last position whose effect is in the rows"),
    _needed("state", sa.Text, comment="live, building (beside the live one) or paused (an event of a newer schema)"),
    _maybe("reason", sa.Text, comment="why it is paused"),
    _needed(
        "changes_since",
        sa.BigInteger,
        server_default="0",
        comment="a client that saw less than this must be told to reset: older changes are gone, or rows were switched",
    ),
    _needed("updated_at", Instant, server_default=sa.func.now()),
    postgresql_with=FEW,
)

parked = sa.Table(
    "parked",
    metadata,
    sa.Column("projection", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("entity", sa.Text, primary_key=True, comment="the row's key, or the stream when the event is unreadable"),
    _needed("topic", sa.Text),
    _needed("reason", sa.Text),
    _needed(
        "follows", sa.BigInteger, comment="the first parked position of this entity; its own for the poison itself"
    ),
    _needed("parked_at", Instant, server_default=sa.func.now()),
)

# --- Incidents --------------------------------------------------------------------------------------------------------

board = sa.Table(
    "board",
    metadata,
    sa.Column("incident_id", sa.Uuid, primary_key=True),
    _needed("number", sa.Text),
    _needed("city", sa.Text),
    _needed("category", sa.Text),
    _needed("severity", sa.SmallInteger),
    _needed("priority", sa.SmallInteger, comment="0 most urgent, 10 least"),
    _needed("phase", sa.Text),
    _needed("response_status", sa.Text, comment="derived from the assignments"),
    _needed("message_status", sa.Text),
    _needed("is_exercise", sa.Boolean, comment="anything but actual: never dispatches anybody"),
    _needed("is_on_board", sa.Boolean, comment="false once closed, dismissed or merged; the row stays for a reopening"),
    _needed("owner_center_id", sa.Uuid),
    _needed("owner_path", Ids, comment="root first, the owner last"),
    _needed("visible_center_ids", Ids, comment="owner, its ancestors, recipients, centers an escalation told"),
    _needed("inbox_center_ids", Ids, comment="centers whose action this incident waits for"),
    _needed("inbox", JSONB, comment="[{center_id, kind: accept|transfer|escalation, due_at, …}]"),
    _needed("agencies", Codes),
    _needed(
        "recipients", JSONB, comment="[{agency, center_id, role, answer: null|accepted|declined, reference, reason}]"
    ),
    _maybe("claimed_by", sa.Uuid),
    _maybe("claimed_at", Instant),
    _maybe("headline", sa.Text),
    _maybe("address", sa.Text),
    _maybe("lon", sa.Double),
    _maybe("lat", sa.Double),
    _maybe("camera_id", sa.Uuid),
    _needed("alert_count", sa.Integer, comment="alerts that opened it or were folded into it"),
    _maybe("last_alert_at", Instant),
    _needed("assignments", JSONB, comment="{assignment_id: {unit_id, call_sign, agency, phase, stacked}}"),
    _maybe("accept_by", Instant),
    _maybe(
        "transfer",
        JSONB,
        comment="the offer that waits: {transfer_id, from_center_id, to_center_id, reason, expires_at}",
    ),
    _needed("escalation_level", sa.SmallInteger),
    _maybe("merged_into", sa.Uuid),
    _needed("absorbed", Ids, comment="incidents merged into this one"),
    _maybe("phase_before_merge", sa.Text),
    _maybe("disposition", sa.Text),
    _needed("decision_version", sa.BigInteger, comment="version of the decision stream: the ETag"),
    _needed("opened_at", Instant),
    _needed("opened_position", sa.BigInteger),
    _needed("updated_at", Instant, comment="when the last fact about it happened"),
    _needed("updated_position", sa.BigInteger),
    _maybe("ended_at", Instant, comment="when it was closed, dismissed or merged"),
    sa.Index("board_number", "city", "number", unique=False),
    sa.Index("board_order", "priority", "opened_position", postgresql_where=sa.text("is_on_board")),
    sa.Index("board_visible", "visible_center_ids", postgresql_using="gin", postgresql_where=sa.text("is_on_board")),
    sa.Index("board_agencies", "agencies", postgresql_using="gin", postgresql_where=sa.text("is_on_board")),
    sa.Index("board_inbox", "inbox_center_ids", postgresql_using="gin", postgresql_where=sa.text("is_on_board")),
    sa.Index("board_opened", "opened_position"),
    sa.Index("board_camera", "camera_id", postgresql_where=sa.text("camera_id IS NOT NULL")),
    postgresql_with=HOT,
)

board_changes = sa.Table(
    "board_changes",
    metadata,
    sa.Column("page_position", sa.BigInteger, primary_key=True, comment="the page's end: what a client resumes from"),
    sa.Column("incident_id", sa.Uuid, primary_key=True),
    _maybe("row", JSONB, comment="the board row as `board.item` shows it; null: it left every board"),
    _needed("centers_before", Ids),
    _needed("centers_after", Ids),
    _needed("agencies_before", Codes),
    _needed("agencies_after", Codes),
    _needed("categories", Codes, comment="category before and after, for filters"),
    _needed("written_at", Instant, server_default=sa.func.now()),
    postgresql_with=PASSING,
)

incident_cards = sa.Table(
    "incident_cards",
    metadata,
    sa.Column("incident_id", sa.Uuid, primary_key=True),
    _needed("document", JSONB, comment="see projections.cards: all but the folded alerts and the timeline"),
    _needed("updated_position", sa.BigInteger),
    postgresql_with=HOT,
)

incident_alerts = sa.Table(
    "incident_alerts",
    metadata,
    sa.Column("incident_id", sa.Uuid, primary_key=True),
    sa.Column("alert_position", sa.BigInteger, primary_key=True),
    _needed("alert_id", sa.Uuid),
    _maybe("severity", sa.SmallInteger, comment="null for the alerts that opened it: the incident's own says it"),
    _needed("reason", sa.Text, comment="reason code of the fold; `opened` for the cause"),
    _needed("linked_position", sa.BigInteger, comment="the fact that linked it"),
    sa.Index("incident_alerts_alert_id", "alert_id"),
    postgresql_with=ADDED,
)

timeline = sa.Table(
    "timeline",
    metadata,
    sa.Column("incident_id", sa.Uuid, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True),
    _needed("event", sa.Text),
    _needed("occurred_at", Instant),
    _needed("recorded_at", Instant),
    _needed("actor_kind", sa.Text),
    _needed("actor_id", sa.Text),
    _maybe("actor_center_id", sa.Uuid),
    _maybe("actor_agency", sa.Text),
    _maybe("rule_version", sa.Integer),
    _needed("is_narrative", sa.Boolean, comment="false: shown in the full log only"),
    _needed("values", JSONB, comment="the event's body; sentences are made from it at read time"),
    postgresql_with=ADDED,
)

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("report_id", sa.Uuid, primary_key=True),
    _maybe("incident_id", sa.Uuid),
    _maybe("relation", sa.Text, comment="opened or duplicate"),
    _needed("channel", sa.Text),
    _needed("category", sa.Text),
    _needed("severity", sa.SmallInteger),
    _needed("center_id", sa.Uuid),
    _needed("text", sa.Text),
    _maybe("address", sa.Text),
    _maybe("lon", sa.Double),
    _maybe("lat", sa.Double),
    _maybe("camera_id", sa.Uuid),
    _needed("media", JSONB),
    _needed(
        "sealed", JSONB, comment="{caller, caller_phone: {subject_id, sealed}, persons: […]}: opened on request only"
    ),
    _needed("subject_ids", Ids, comment="whom the sealed fields are about: the only way to find a report by person"),
    _needed("filed_at", Instant),
    _needed("filed_by", sa.Text),
    _needed("filed_position", sa.BigInteger),
    sa.Index("reports_incident_id", "incident_id"),
    sa.Index("reports_center_id_filed_position", "center_id", "filed_position"),
    sa.Index("reports_subject_ids", "subject_ids", postgresql_using="gin"),
)

response_times = sa.Table(
    "response_times",
    metadata,
    sa.Column("incident_id", sa.Uuid, primary_key=True),
    _needed("number", sa.Text),
    _needed("category", sa.Text),
    _needed("severity", sa.SmallInteger),
    _needed("is_exercise", sa.Boolean),
    _needed("owner_center_id", sa.Uuid),
    _needed("owner_path", Ids),
    _needed("opened_at", Instant),
    _maybe("routed_at", Instant),
    _maybe("verified_at", Instant),
    _maybe("accepted_at", Instant),
    _maybe("assigned_at", Instant, comment="the first unit; so for the next three"),
    _maybe("acknowledged_at", Instant),
    _maybe("en_route_at", Instant),
    _maybe("on_scene_at", Instant),
    _maybe("cleared_at", Instant, comment="the last unit to clear"),
    _maybe("resolved_at", Instant),
    _maybe("closed_at", Instant),
    _maybe("dismissed_at", Instant),
    sa.Index("response_times_opened_at", "opened_at"),
    sa.Index("response_times_owner_path", "owner_path", postgresql_using="gin"),
    postgresql_with=HOT,
)

search = sa.Table(
    "search",
    metadata,
    sa.Column("source_id", sa.Uuid, primary_key=True, comment="the incident, report or note the words are from"),
    _maybe("incident_id", sa.Uuid, comment="null while a report leads to none"),
    _needed("kind", sa.Text, comment="incident, report or note"),
    _needed("tokens", Codes, comment="see projections.words"),
    _needed("excerpt", sa.Text),
    _needed("occurred_at", Instant),
    sa.Index("search_tokens", "tokens", postgresql_using="gin"),
    sa.Index("search_incident_id", "incident_id"),
)

# --- What stands ready ------------------------------------------------------------------------------------------------

units = sa.Table(
    "units",
    metadata,
    sa.Column("unit_id", sa.Uuid, primary_key=True),
    _needed("city", sa.Text),
    _needed("call_sign", sa.Text),
    _needed("agency", sa.Text),
    _needed("kind", sa.Text),
    _needed("skills", Codes),
    _needed("base_center_id", sa.Uuid),
    _needed("base_path", Ids),
    _needed("home_lon", sa.Double),
    _needed("home_lat", sa.Double),
    _needed("is_on_duty", sa.Boolean),
    _needed("status", sa.Text, comment="derived from duty and open assignments"),
    _needed("assignments", JSONB, comment="open ones, in the order they were made: [{assignment_id, incident_id, …}]"),
    _needed("version", sa.BigInteger, comment="version of the unit's stream: the ETag of an assignment"),
    _needed("updated_at", Instant),
    _needed("updated_position", sa.BigInteger),
    sa.Index("units_call_sign", "call_sign"),
    sa.Index("units_base_path", "base_path", postgresql_using="gin"),
    sa.Index("units_agency_call_sign", "agency", "call_sign"),
    postgresql_with=HOT,
)

sites = sa.Table(
    "sites",
    metadata,
    sa.Column("site_id", sa.Uuid, primary_key=True),
    _needed("city", sa.Text),
    _needed("code", sa.Text),
    _needed("site_class", sa.Text),
    _needed("lon", sa.Double),
    _needed("lat", sa.Double),
    _maybe("address", sa.Text),
    _needed("owner", sa.Text),
    _needed("operator", sa.Text),
    _needed("maintainer", sa.Text),
    _needed("phase", sa.Text),
    _needed("built_on", sa.Date),
    _maybe("station_id", sa.Uuid),
    _needed("path", Ids),
    sa.Index("sites_code", "code"),
    sa.Index("sites_site_class", "site_class"),
)

cameras = sa.Table(
    "cameras",
    metadata,
    sa.Column("camera_id", sa.Uuid, primary_key=True),
    _needed("city", sa.Text),
    _needed("code", sa.Text),
    _needed("label", sa.Text),
    _maybe("site_id", sa.Uuid, comment="null for an attached social camera"),
    _needed("is_own", sa.Boolean),
    _maybe("owner", sa.Text, comment="of a social camera"),
    _maybe("approved_by", sa.Text),
    _maybe("attached_reason", sa.Text),
    _maybe("expires_at", Instant),
    _needed("lon", sa.Double),
    _needed("lat", sa.Double),
    _maybe("bearing_deg", sa.Double),
    _maybe("range_m", sa.Double),
    _maybe("gateway", sa.Text),
    _needed("aliases", Codes),
    _maybe("station_id", sa.Uuid),
    _needed("path", Ids),
    _maybe("detached_at", Instant, comment="it may not be used since"),
    _maybe("detached_reason", sa.Text),
    sa.Index("cameras_code", "code"),
    sa.Index("cameras_lat_lon", "lat", "lon"),
    sa.Index("cameras_station_id", "station_id"),
    sa.Index("cameras_site_id", "site_id"),
    sa.Index("cameras_aliases", "aliases", postgresql_using="gin"),
)
