"""Identifiers: what they are made from.

A stream's id is the id of its aggregate. Ids of machine facts are functions of the message, so that the same message
makes the same stream on every machine and after every crash; their first 48 bits are the message's own time, never
the time of receipt, which keeps the indexes local and the identity stable.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from typing import NewType
from uuid import UUID

AlertId = NewType("AlertId", UUID)
ReportId = NewType("ReportId", UUID)
IncidentId = NewType("IncidentId", UUID)
UnitId = NewType("UnitId", UUID)
CaseId = NewType("CaseId", UUID)
AssignmentId = NewType("AssignmentId", UUID)
CenterId = NewType("CenterId", UUID)
OperatorId = NewType("OperatorId", UUID)
SiteId = NewType("SiteId", UUID)
CameraId = NewType("CameraId", UUID)
OrderId = NewType("OrderId", UUID)
AgencyCode = NewType("AgencyCode", str)
CategoryCode = NewType("CategoryCode", str)

NAMESPACE = UUID("6f0c3c1e-7f4b-5c64-9a0e-6d1d5f0b8a11")
"""Root of every name-based id of this product. Permanent: changing it would rename every center and camera."""
_NAMED_KEPT = ~(0xF << 76) & ~(0x3 << 62) & (1 << 128) - 1
_NAMED_SET = 0x5 << 76 | 0x2 << 62
"""Version and variant of a name-based id (RFC 9562)."""


def within(namespace: UUID, name: str) -> UUID:
    """The id that `uuid.uuid5` gives, in two thirds of its time: some hundred thousand are made in a minute's flood."""
    value = int.from_bytes(hashlib.sha1(namespace.bytes + name.encode(), usedforsecurity=False).digest()[:16], "big")
    return UUID(int=value & _NAMED_KEPT | _NAMED_SET)


def named(kind: str, *parts: str) -> UUID:
    """The id of a thing that has a permanent name: `named("center", city, code)`."""
    return within(NAMESPACE, "\x1f".join((kind, *parts)))


def timed(moment: datetime, *parts: str) -> UUID:
    """A UUIDv8 with 48 bits of `moment` (ms, UTC) before 74 bits of SHA-256 over `parts`.

    `moment` must be aware. Instants before 1970 or after 10889 keep the low 48 bits.
    """
    milliseconds = int(moment.timestamp() * 1000) & ((1 << 48) - 1)
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    value = (milliseconds << 80) | int.from_bytes(digest[:10], "big")
    value = (value & ~(0xF << 76)) | (0x8 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)


def alert_id(*, source: str, source_event_id: str, revision: str, said_at: datetime) -> AlertId:
    """Identity of a machine message: source + the source's id + its revision. It is the alert's stream id."""
    return AlertId(timed(said_at, "alert", source, source_event_id, revision))


def incident_id_for(cause: UUID, occasion: int = 0) -> IncidentId:
    """The incident that a cause (alert or report) opens: the same on every re-run of the decision.

    `occasion` tells a later one from the first: an alert that was revised after its incident was closed.
    """
    value = within(cause, f"incident\x1f{occasion}" if occasion else "incident")
    return IncidentId(UUID(int=(value.int & ((1 << 80) - 1)) | (cause.int >> 80 << 80)))


def assignment_id_for(incident_id: UUID, unit_id: UUID, unit_version: int) -> AssignmentId:
    """One unit on one incident; a second assignment of the same pair differs by the unit's version."""
    return AssignmentId(within(incident_id, f"assignment\x1f{unit_id}\x1f{unit_version}"))


def case_id_for(incident_id: UUID, occasion: int = 0) -> CaseId:
    """The urban-management case of an incident. `occasion` tells a later one from the first, which has ended."""
    return CaseId(within(incident_id, f"case\x1f{occasion}" if occasion else "case"))


def companion_of(incident_id: UUID) -> UUID:
    """Stream of what does not need a version check: folds, notes, evidence, recommendations."""
    return within(incident_id, "companion")


def outcome_of(incident_id: UUID) -> UUID:
    """Stream of what came of an incident."""
    return within(incident_id, "outcome")


def checklist_of(incident_id: UUID) -> UUID:
    """Stream of what is ticked off of an incident's checklist."""
    return within(incident_id, "checklist")


def lending_of(unit_id: UUID) -> UUID:
    """Stream of the requests for aid that a unit is kept for."""
    return within(unit_id, "lending")


def cover_of(city: str, code: str) -> UUID:
    """Stream of one rule of minimum cover."""
    return named("cover", city, code)


def campaign_id(city: str, code: str) -> UUID:
    """A campaign has a permanent code within its city."""
    return named("campaign", city, code)


def operation_id(city: str, code: str) -> UUID:
    """An operation has a permanent code within its city."""
    return named("operation", city, code)


def headquarters_id(city: str, code: str) -> UUID:
    """A temporary headquarters has a code of its own; the center that stands for it in the tree has the same."""
    return named("headquarters", city, code)


def number_stream(city: str, day: date) -> UUID:
    """Stream whose versions number the incidents of one city and day, without gaps."""
    return named("incident-numbers", city, day.isoformat())


def rulebook_stream(city: str) -> UUID:
    """The one stream of a city's rulebook versions."""
    return named("rulebook", city)


def center_id(city: str, code: str) -> CenterId:
    """A center has a permanent code within its city."""
    return CenterId(named("center", city, code))


def tree_stream(city: str) -> UUID:
    """Stream whose versions number the editions of a city's tree."""
    return named("tree", city)


def camera_id(city: str, code: str) -> CameraId:
    """A camera is known by its 20-digit GB/T 28181 code within its city."""
    return CameraId(named("camera", city, code))


def gateway_stream(city: str, gateway: str) -> UUID:
    """A gateway is known by the name in its credential."""
    return named("gateway", city, gateway)


def site_id(city: str, code: str) -> SiteId:
    """A site hosts cameras."""
    return SiteId(named("site", city, code))


def unit_id(city: str, call_sign: str) -> UnitId:
    """A unit is known by its call sign within its city."""
    return UnitId(named("unit", city, call_sign))


def operator_id(city: str, login: str) -> OperatorId:
    """An operator is known by a login within the city."""
    return OperatorId(named("operator", city, login))


def agency_stream(city: str, code: str) -> UUID:
    """Stream of an agency's registration."""
    return named("agency", city, code)


def order_number_stream(city: str, day: date) -> UUID:
    """Stream whose versions number the orders of one city and day, without gaps."""
    return named("order-numbers", city, day.isoformat())


def warning_stream(city: str, key: str) -> UUID:
    """Stream of one public warning message; `key` is the pair `sender,identifier` by which others refer to it."""
    return named("warning", city, key)
