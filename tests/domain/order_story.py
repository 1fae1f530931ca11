"""An order and what happens to it, for tests of its rules, its rows and its messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.identifiers import center_id, named
from domain.order.commands import AcknowledgeOrder, AmendOrder, DeclineOrder, ExtendOrder, IssueOrder, LiftOrder
from domain.order.events import (
    Addressee,
    OrderAcknowledged,
    OrderAmended,
    OrderArea,
    OrderContent,
    OrderDeclined,
    OrderExpired,
    OrderExtended,
    OrderIssued,
    OrderLifted,
)
from domain.ownership import Ownership
from domain.vocabulary import CenterKind, MessageStatus, OrderKind

CITY_CODE = "chengdu"
CITY, EAST, TRAFFIC = (center_id(CITY_CODE, code) for code in ("city", "east", "traffic-hq"))
STATION = center_id(CITY_CODE, "east-station")
ORDER = named("order", "one")
AT = datetime(2026, 7, 3, 12, 0, tzinfo=UTC)
RING = ((104.0, 30.6), (104.1, 30.6), (104.1, 30.7), (104.0, 30.6))
AREA = OrderArea(polygons=(RING,), description="九眼桥")
TO_TRAFFIC = Addressee(center_id=TRAFFIC, path=(TRAFFIC,), agency="traffic_police")
TO_EAST = Addressee(center_id=EAST, path=(CITY, EAST))
CONTENT = OrderContent(
    number="CD-ORDER-20260703-001",
    city=CITY_CODE,
    kind=OrderKind.BRIDGE_CLOSURE,
    status=MessageStatus.ACTUAL,
    edition=1,
    issuer=Ownership(center_id=CITY, path=(CITY,)),
    issued_by=named("operator", "one"),
    basis="防汛应急预案",
    text="封闭九眼桥",
    area=AREA,
    effective_at=AT,
    expires_at=AT + timedelta(hours=6),
    acknowledge_by=AT + timedelta(minutes=30),
    addressees=(TO_TRAFFIC, TO_EAST),
)
ISSUE = IssueOrder(order=CONTENT, issuer_kind=CenterKind.CITY, issued_at=AT)
ISSUED = OrderIssued(order=CONTENT, issued_at=AT)
AMENDED_AT = AT + timedelta(hours=1)
AMENDED_CONTENT = CONTENT.model_copy(
    update={"edition": 2, "text": "封闭九眼桥和安顺桥", "acknowledge_by": AMENDED_AT + timedelta(minutes=20)}
)
AMEND = AmendOrder(
    center_id=CITY,
    amended_at=AMENDED_AT,
    reason="水位上涨",
    acknowledge_by=AMENDED_AT + timedelta(minutes=20),
    text="封闭九眼桥和安顺桥",
)
AMENDED = OrderAmended(order=AMENDED_CONTENT, reason="水位上涨", amended_at=AMENDED_AT)
EXTENDED_CONTENT = CONTENT.model_copy(update={"expires_at": AT + timedelta(hours=9)})
EXTEND = ExtendOrder(center_id=CITY, extended_at=AMENDED_AT, expires_at=AT + timedelta(hours=9), reason="洪峰推迟")
EXTENDED = OrderExtended(
    order=EXTENDED_CONTENT, expired_before_at=CONTENT.expires_at, reason="洪峰推迟", extended_at=AMENDED_AT
)
LIFTED_AT = AT + timedelta(hours=2)
LIFT = LiftOrder(center_id=CITY, lifted_at=LIFTED_AT, reason="水位回落")
LIFTED = OrderLifted(order=CONTENT, reason="水位回落", lifted_at=LIFTED_AT)
EXPIRED = OrderExpired(order=CONTENT, due_at=CONTENT.expires_at, late_s=0)


def acknowledge(*center_ids: UUID, edition: int = 1, at: datetime = AT) -> AcknowledgeOrder:
    return AcknowledgeOrder(center_ids=center_ids, edition=edition, answered_at=at)


def decline(center_id: UUID, *, edition: int = 1, at: datetime = AT) -> DeclineOrder:
    return DeclineOrder(center_ids=(center_id,), edition=edition, answered_at=at, reason="警力不足")


def acknowledged(addressee: Addressee, *, edition: int = 1, at: datetime = AT) -> OrderAcknowledged:
    return OrderAcknowledged(edition=edition, center_id=addressee.center_id, agency=addressee.agency, answered_at=at)


def declined(addressee: Addressee, *, edition: int = 1, at: datetime = AT) -> OrderDeclined:
    return OrderDeclined(
        edition=edition, center_id=addressee.center_id, agency=addressee.agency, answered_at=at, reason="警力不足"
    )
