"""The rows people look at: schema `read`, written by the projector only, thrown away and rebuilt at will.

What a screen filters or sorts by is a column; what it only shows may lie in a column of JSON: `Whole` if no statement
looks into it, else JSONB. Columns that change with every folded alert (`alert_count`, `updated_position`, …) stand in
no index, so that such an update stays in its page. An id inside JSON is its text form, an instant its ISO 8601 form.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from projections import (
    aid_tables,
    camera_tables,
    case_tables,
    city_tables,
    cover_tables,
    handover_tables,
    order_tables,
    service_tables,
)
from projections.columns import ADDED, FEW, HOT, PASSING, SCHEMA, Codes, Ids, Instant, Whole, maybe, metadata, needed

__all__ = ["ADDED", "FEW", "HOT", "PASSING", "SCHEMA", "metadata"]

FAMILIES = (
    aid_tables,
    camera_tables,
    case_tables,
    city_tables,
    cover_tables,
    handover_tables,
    order_tables,
    service_tables,
)
"""Tables of the same schema that are declared elsewhere: whoever imports this module has them all."""

# --- How far each projection has come ---------------------------------------------------------------------------------

checkpoints = sa.Table(
    "checkpoints",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    needed("position", sa.BigInteger, comment="the last position whose effect is in the rows"),
    needed("state", sa.Text, comment="live, building (beside the live one) or paused (an event of a newer schema)"),
    maybe("reason", sa.Text, comment="why it is paused"),
    needed(
        "changes_since",
        sa.BigInteger,
        server_default="0",
        comment="a client that saw less than this must be told to reset: older changes are gone, or rows were switched",
    ),
    needed("updated_at", Instant, server_default=sa.func.now()),
    postgresql_with=FEW,
)

parked = sa.Table(
    "parked",
    metadata,
    sa.Column("projection", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("entity", sa.Text, primary_key=True, comment="the row's key, or the stream when the event is unreadable"),
    needed("topic", sa.Text),
    needed("reason", sa.Text),
    needed("follows", sa.BigInteger, comment="the first parked position of this entity; its own for the poison itself"),
    needed("parked_at", Instant, server_default=sa.func.now()),
)

# --- Incidents --------------------------------------------------------------------------------------------------------

board = sa.Table(
    "board",
    metadata,
    sa.Column("incident_id", sa.Uuid, primary_key=True),
    needed("number", sa.Text),
    needed("city", sa.Text),
    needed("category", sa.Text),
    needed("severity", sa.SmallInteger),
    needed("priority", sa.SmallInteger, comment="0 most urgent, 10 least"),
    needed("phase", sa.Text),
    needed("response_status", sa.Text, comment="derived from the assignments"),
    needed("message_status", sa.Text),
    needed("is_exercise", sa.Boolean, comment="anything but actual: never dispatches anybody"),
    needed("is_on_board", sa.Boolean, comment="false once closed, dismissed or merged; the row stays for a reopening"),
    needed("owner_center_id", sa.Uuid),
    needed("owner_path", Ids, comment="root first, the owner last"),
    needed("visible_center_ids", Ids, comment="owner, its ancestors, recipients, centers an escalation told"),
    needed("inbox_center_ids", Ids, comment="centers whose action this incident waits for"),
    needed("inbox", JSONB, comment="[{center_id, kind: accept|transfer|escalation, due_at, …}]"),
    needed("agencies", Codes),
    needed(
        "recipients", JSONB, comment="[{agency, center_id, role, answer: null|accepted|declined, reference, reason}]"
    ),
    maybe("claimed_by", sa.Uuid),
    maybe("claimed_at", Instant),
    maybe("headline", sa.Text),
    maybe("address", sa.Text),
    maybe("lon", sa.Double),
    maybe("lat", sa.Double),
    maybe("camera_id", sa.Uuid),
    needed("alert_count", sa.Integer, comment="alerts that opened it or were folded into it"),
    maybe("last_alert_at", Instant),
    needed("assignments", JSONB, comment="{assignment_id: {unit_id, call_sign, agency, phase, stacked, waits}}"),
    maybe("accept_by", Instant),
    maybe(
        "transfer",
        JSONB,
        comment="the offer that waits: {transfer_id, from_center_id, to_center_id, reason, expires_at}",
    ),
    needed("escalation_level", sa.SmallInteger),
    maybe("merged_into", sa.Uuid),
    needed("absorbed", Ids, comment="incidents merged into this one"),
    maybe("phase_before_merge", sa.Text),
    maybe("disposition", sa.Text),
    needed("decision_version", sa.BigInteger, comment="version of the decision stream: the ETag"),
    needed("opened_at", Instant),
    needed("opened_position", sa.BigInteger),
    needed("updated_at", Instant, comment="when the last fact about it happened"),
    needed("updated_position", sa.BigInteger),
    maybe("ended_at", Instant, comment="when it was closed, dismissed or merged"),
    needed("alarm_level", sa.SmallInteger, server_default="1"),
    needed(
        "wanted",
        JSONB,
        server_default="[]",
        comment="what the rules ask for at this alarm level: [{agency, unit_kinds, skills, units, there}]",
    ),
    maybe("restricted_by", sa.Uuid, comment="the restricted operation it belongs to"),
    maybe("cleared_center_ids", Ids, comment="of a restricted one: who knows of it; then visible_center_ids are these"),
    maybe("cleared_agencies", Codes, comment="of a restricted one: agencies whose own centers are among these"),
    sa.Index("board_number", "city", "number", unique=False),
    sa.Index("board_order", "priority", "opened_position", postgresql_where=sa.text("is_on_board")),
    sa.Index("board_visible", "visible_center_ids", postgresql_using="gin", postgresql_where=sa.text("is_on_board")),
    sa.Index("board_agencies", "agencies", postgresql_using="gin", postgresql_where=sa.text("is_on_board")),
    sa.Index("board_inbox", "inbox_center_ids", postgresql_using="gin", postgresql_where=sa.text("is_on_board")),
    sa.Index("board_opened", "opened_position"),
    sa.Index("board_camera", "camera_id", postgresql_where=sa.text("camera_id IS NOT NULL")),
    sa.Index("board_restricted", "restricted_by", postgresql_where=sa.text("restricted_by IS NOT NULL")),
    postgresql_with=HOT,
)

board_changes = sa.Table(
    "board_changes",
    metadata,
    sa.Column("page_position", sa.BigInteger, primary_key=True, comment="the page's end: what a client resumes from"),
    sa.Column("incident_id", sa.Uuid, primary_key=True),
    maybe("row", Whole, comment="the board row as `board.item` shows it; null: it left every board"),
    maybe("category", sa.Text, comment="of the row"),
    needed("centers_before", Ids),
    needed("centers_after", Ids),
    needed("agencies_before", Codes),
    needed("agencies_after", Codes),
    needed("categories", Codes, comment="category before and after, for filters"),
    needed("written_at", Instant, server_default=sa.func.now()),
    needed("restricted_before", sa.Boolean, server_default=sa.false(), comment="shown to its own centers only …"),
    needed("restricted_after", sa.Boolean, server_default=sa.false(), comment="… and not to who looks from above"),
    postgresql_with=PASSING,
)

incident_cards = sa.Table(
    "incident_cards",
    metadata,
    sa.Column("incident_id", sa.Uuid, primary_key=True),
    needed("document", Whole, comment="see projections.cards: all but the folded alerts and the timeline"),
    needed("updated_position", sa.BigInteger),
    postgresql_with=HOT,
)

incident_alerts = sa.Table(
    "incident_alerts",
    metadata,
    sa.Column("incident_id", sa.Uuid, primary_key=True),
    sa.Column("alert_position", sa.BigInteger, primary_key=True),
    needed("alert_id", sa.Uuid),
    maybe("severity", sa.SmallInteger, comment="null for the alerts that opened it: the incident's own says it"),
    needed("reason", sa.Text, comment="reason code of the fold; `opened` for the cause"),
    needed("linked_position", sa.BigInteger, comment="the fact that linked it"),
    sa.Index("incident_alerts_alert_id", "alert_id"),
    postgresql_with=ADDED,
)

timeline = sa.Table(
    "timeline",
    metadata,
    sa.Column("incident_id", sa.Uuid, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True),
    needed("event", sa.Text),
    needed("occurred_at", Instant),
    needed("recorded_at", Instant),
    needed("actor_kind", sa.Text),
    needed("actor_id", sa.Text),
    maybe("actor_center_id", sa.Uuid),
    maybe("actor_agency", sa.Text),
    maybe("rule_version", sa.Integer),
    needed("is_narrative", sa.Boolean, comment="false: shown in the full log only"),
    needed("values", Whole, comment="the event's body; sentences are made from it at read time"),
    postgresql_with=ADDED,
)

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("report_id", sa.Uuid, primary_key=True),
    maybe("incident_id", sa.Uuid),
    maybe("relation", sa.Text, comment="opened or duplicate"),
    needed("channel", sa.Text),
    needed("category", sa.Text),
    needed("severity", sa.SmallInteger),
    needed("center_id", sa.Uuid),
    needed("text", sa.Text),
    maybe("address", sa.Text),
    maybe("lon", sa.Double),
    maybe("lat", sa.Double),
    maybe("camera_id", sa.Uuid),
    needed("media", JSONB),
    needed(
        "sealed", JSONB, comment="{caller, caller_phone: {subject_id, sealed}, persons: […]}: opened on request only"
    ),
    needed("subject_ids", Ids, comment="whom the sealed fields are about: the only way to find a report by person"),
    needed("filed_at", Instant),
    needed("filed_by", sa.Text),
    needed("filed_position", sa.BigInteger),
    sa.Index("reports_incident_id", "incident_id"),
    sa.Index("reports_center_id_filed_position", "center_id", "filed_position"),
    sa.Index("reports_channel_filed_at", "channel", "filed_at"),
    sa.Index("reports_subject_ids", "subject_ids", postgresql_using="gin"),
)

response_times = sa.Table(
    "response_times",
    metadata,
    sa.Column("incident_id", sa.Uuid, primary_key=True),
    needed("number", sa.Text),
    needed("category", sa.Text),
    needed("severity", sa.SmallInteger),
    needed("is_exercise", sa.Boolean),
    needed("owner_center_id", sa.Uuid),
    needed("owner_path", Ids),
    needed("opened_at", Instant),
    maybe("routed_at", Instant),
    maybe("verified_at", Instant),
    maybe("accepted_at", Instant),
    maybe("assigned_at", Instant, comment="the first unit; so for the next three"),
    maybe("acknowledged_at", Instant),
    maybe("en_route_at", Instant),
    maybe("on_scene_at", Instant),
    maybe("cleared_at", Instant, comment="the last unit to clear"),
    maybe("resolved_at", Instant),
    maybe("closed_at", Instant),
    maybe("dismissed_at", Instant),
    sa.Index("response_times_opened_at", "opened_at"),
    sa.Index("response_times_owner_path", "owner_path", postgresql_using="gin"),
    postgresql_with=HOT,
)

search = sa.Table(
    "search",
    metadata,
    sa.Column("source_id", sa.Uuid, primary_key=True, comment="the incident, report or note the words are from"),
    maybe("incident_id", sa.Uuid, comment="null while a report leads to none"),
    needed("kind", sa.Text, comment="incident, report or note"),
    needed("tokens", Codes, comment="see projections.words"),
    needed("excerpt", sa.Text),
    needed("occurred_at", Instant),
    sa.Index("search_tokens", "tokens", postgresql_using="gin"),
    sa.Index("search_incident_id", "incident_id"),
)

# --- What stands ready ------------------------------------------------------------------------------------------------

units = sa.Table(
    "units",
    metadata,
    sa.Column("unit_id", sa.Uuid, primary_key=True),
    needed("city", sa.Text),
    needed("call_sign", sa.Text),
    needed("agency", sa.Text),
    needed("kind", sa.Text),
    needed("skills", Codes),
    needed("base_center_id", sa.Uuid),
    needed("base_path", Ids),
    needed("home_lon", sa.Double),
    needed("home_lat", sa.Double),
    needed("is_on_duty", sa.Boolean),
    needed("status", sa.Text, comment="derived from duty and open assignments"),
    needed("assignments", JSONB, comment="open ones, in the order they were made: [{assignment_id, incident_id, …}]"),
    needed("reservations", JSONB, server_default="[]", comment="not over yet, by time: [{reservation_id, purpose, …}]"),
    maybe("posted", JSONB, comment="where it stands by: {center_id, place, reason, since}"),
    needed("version", sa.BigInteger, comment="version of the unit's stream: the ETag of an assignment"),
    needed("updated_at", Instant),
    needed("updated_position", sa.BigInteger),
    sa.Index("units_call_sign", "call_sign"),
    sa.Index("units_base_path", "base_path", postgresql_using="gin"),
    sa.Index("units_agency_call_sign", "agency", "call_sign"),
    postgresql_with=HOT,
)

sites = sa.Table(
    "sites",
    metadata,
    sa.Column("site_id", sa.Uuid, primary_key=True),
    needed("city", sa.Text),
    needed("code", sa.Text),
    needed("site_class", sa.Text),
    needed("lon", sa.Double),
    needed("lat", sa.Double),
    maybe("address", sa.Text),
    needed("owner", sa.Text),
    needed("operator", sa.Text),
    needed("maintainer", sa.Text),
    needed("phase", sa.Text),
    needed("built_on", sa.Date),
    maybe("station_id", sa.Uuid),
    needed("path", Ids),
    sa.Index("sites_code", "code"),
    sa.Index("sites_site_class", "site_class"),
    sa.Index("sites_second_level", sa.text("(path[2])"), "site_class"),
    sa.Index("sites_third_level", sa.text("(path[3])"), "site_class"),
)

cameras = sa.Table(
    "cameras",
    metadata,
    sa.Column("camera_id", sa.Uuid, primary_key=True),
    needed("city", sa.Text),
    needed("code", sa.Text),
    needed("label", sa.Text),
    maybe("site_id", sa.Uuid, comment="null for an attached social camera"),
    needed("is_own", sa.Boolean),
    maybe("owner", sa.Text, comment="of a social camera"),
    maybe("approved_by", sa.Text),
    maybe("attached_reason", sa.Text),
    maybe("attached_at", Instant, comment="it may be used since; of a social camera, the last time"),
    maybe("expires_at", Instant),
    needed("lon", sa.Double),
    needed("lat", sa.Double),
    maybe("bearing_deg", sa.Double),
    maybe("range_m", sa.Double),
    maybe("gateway", sa.Text),
    needed("aliases", Codes),
    maybe("station_id", sa.Uuid),
    needed("path", Ids),
    maybe("detached_at", Instant, comment="it may not be used since"),
    maybe("detached_reason", sa.Text),
    needed(
        "attachments", JSONB, comment="[{attached_at, expires_at, owner, approved_by, reason, ended_at, ended_by}], all"
    ),
    needed("health", sa.Text),
    maybe("health_source", sa.Text),
    maybe("health_reason", sa.Text),
    maybe("health_since", Instant, comment="null: nobody ever said otherwise"),
    needed("armed", sa.Boolean),
    maybe("armed_source", sa.Text),
    maybe("armed_cause", sa.Text),
    maybe("armed_reason", sa.Text),
    maybe("armed_since", Instant),
    sa.Index("cameras_code", "code"),
    sa.Index("cameras_lat_lon", "lat", "lon"),
    sa.Index("cameras_station_id", "station_id"),
    sa.Index("cameras_first_level", sa.text("(path[1])"), "code"),
    sa.Index("cameras_second_level", sa.text("(path[2])"), "code"),
    sa.Index("cameras_third_level", sa.text("(path[3])"), "code"),
    sa.Index("cameras_site_id", "site_id"),
    sa.Index("cameras_aliases", "aliases", postgresql_using="gin"),
)
