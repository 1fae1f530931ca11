"""Rows of orders and of public warnings: a family of its own in schema `read`."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from projections.columns import Codes, Ids, Instant, maybe, metadata, needed

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("order_id", sa.Uuid, primary_key=True),
    needed("number", sa.Text),
    needed("kind", sa.Text),
    needed("message_status", sa.Text, comment="actual, exercise or test"),
    needed("phase", sa.Text, comment="issued, lifted or expired; in force is a matter of the two instants below"),
    needed("effective_at", Instant),
    needed("ends_at", Instant, comment="when it is over, or was: the expiry, or the lifting before it"),
    needed("acknowledge_by", Instant),
    needed("edition", sa.Integer),
    needed("issuer_center_id", sa.Uuid),
    needed("visible_center_ids", Ids, comment="issuer and addressees with all above them"),
    needed("addressed_center_ids", Ids),
    needed("waiting_center_ids", Ids, comment="addressees that have not acknowledged the present edition"),
    needed("agencies", Codes, comment="of the addressees"),
    needed("is_overdue", sa.Boolean, comment="an acknowledgement of the present edition was missed and still lacks"),
    maybe("incident_id", sa.Uuid),
    needed("order", JSONB, comment="the order as it stands: `domain.order.events.OrderContent`"),
    needed("addressees", JSONB, comment="[{center_id, agency, answer, answered_at, reason, reference, missed}]"),
    maybe("end_reason", sa.Text, comment="why it was lifted"),
    needed("decided_version", sa.BigInteger, comment="version of the last fact that changed the order: the ETag"),
    needed("issued_at", Instant),
    needed("issued_position", sa.BigInteger),
    needed("updated_at", Instant),
    needed("updated_position", sa.BigInteger),
    sa.Index("orders_issued_position", "issued_position"),
    sa.Index("orders_updated_position", "updated_position"),
    sa.Index("orders_ends_at", "ends_at"),
    sa.Index("orders_visible", "visible_center_ids", postgresql_using="gin"),
    sa.Index("orders_agencies", "agencies", postgresql_using="gin"),
)

warnings = sa.Table(
    "warnings",
    metadata,
    sa.Column("line_id", sa.Uuid, primary_key=True, comment="of the message as sent then, and of one of its infos"),
    needed("warning_id", sa.Uuid, comment="of the message: its stream"),
    needed("alert_id", sa.Uuid, comment="what brought it last"),
    needed("key", sa.Text, comment="sender,identifier"),
    needed("refers_to", Codes, comment="keys of the messages that it updates or cancels"),
    needed("message_type", sa.Text),
    needed("message_status", sa.Text, comment="only actual warns of anything"),
    needed("severity", sa.SmallInteger),
    needed("effective_at", Instant, comment="as said, else when it was sent"),
    maybe("expires_at", Instant, comment="null: until it is cancelled or replaced"),
    needed("sent_at", Instant),
    maybe("text", sa.Text),
    needed("warning", JSONB, comment="`domain.alert.events.WarningDetails`"),
    needed("received_position", sa.BigInteger, comment="of its first fact"),
    needed("updated_position", sa.BigInteger),
    sa.Index("warnings_warning_id", "warning_id"),
    sa.Index("warnings_key", "key"),
    sa.Index("warnings_refers_to", "refers_to", postgresql_using="gin"),
    sa.Index("warnings_received_position", "received_position"),
)
