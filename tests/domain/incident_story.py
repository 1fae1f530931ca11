"""The people, places and commands that the incident tests tell about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.event import Event, Explanation, GeoPoint, Place, Reason
from domain.incident import commands as ask
from domain.incident import events as fact
from domain.incident import plan_events as plan_facts
from domain.incident.decider import INITIAL, decide, evolve
from domain.incident.events import Cause, Recipient
from domain.incident.restriction_events import IncidentRestricted
from domain.ownership import Ownership
from domain.vocabulary import AgencyRole, DismissReason, Disposition, IncidentPhase, MessageStatus, Severity
from tests.domain.deciding import Decider

incident = Decider(decide, evolve, INITIAL)

NOON = datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
CITY, DISTRICT, STATION, OTHER_STATION = (UUID(int=number) for number in (1, 2, 3, 4))
ALICE, BOB = UUID(int=11), UUID(int=12)
TRANSFER, OTHER_TRANSFER, MERGE = UUID(int=21), UUID(int=22), UUID(int=31)
HERE, HEAD, GUEST = UUID(int=41), UUID(int=42), UUID(int=43)
ALERT = UUID(int=51)
SPOT = Place(point=GeoPoint(lon=104.0665, lat=30.6598))
WHY = Explanation(policy="test")


def owned_by(center_id: UUID) -> Ownership:
    return Ownership(center_id=center_id, path=(CITY, DISTRICT, center_id))


def recipient(agency: str, role: AgencyRole = AgencyRole.RESPONSIBLE) -> Recipient:
    return Recipient(
        agency=agency, center_id=DISTRICT, path=(CITY, DISTRICT), role=role, reason=Reason(code="category")
    )


OPEN = ask.OpenIncident(
    number="CD-20260701-0001",
    city="chengdu",
    cause=Cause(alert_ids=(ALERT,), alert_positions=(7,)),
    category="traffic.accident",
    severity=Severity.MODERATE,
    priority=3,
    place=SPOT,
    owner=owned_by(STATION),
)
OPENED = fact.IncidentOpened(**dict(OPEN))
EXERCISE = OPENED.model_copy(update={"status": MessageStatus.EXERCISE})
VERIFIED = fact.IncidentVerified()
ACCEPTED = fact.IncidentAccepted(center_id=STATION)
RESOLVED = fact.IncidentResolved(disposition=Disposition.HANDLED)
CLOSED = fact.IncidentClosed()
DISMISSED = fact.IncidentDismissed(reason=DismissReason.FALSE_ALARM)
REOPENED = fact.IncidentReopened(reason="it came back")
MERGED = fact.IncidentMerged(merge_id=MERGE, into_incident_id=HEAD, into_version=4)
ABSORBED = fact.IncidentAbsorbed(merge_id=MERGE, incident_id=GUEST, incident_version=2)
ALARM_RAISED = plan_facts.AlarmRaised(from_level=1, to_level=2, plan="fire", wanted=(), reason="it spreads")
CLAIMED = fact.IncidentClaimed(operator_id=ALICE)
OFFERED = fact.TransferOffered(
    transfer_id=TRANSFER,
    from_center_id=STATION,
    to=owned_by(OTHER_STATION),
    reason="nearer to you",
    expires_at=NOON + timedelta(minutes=5),
)
ROUTE = ask.RouteIncident(
    owner=owned_by(STATION),
    recipients=(recipient("traffic_police"),),
    accept_by=NOON + timedelta(minutes=3),
    explanation=WHY,
)
ROUTED = fact.IncidentRouted(**dict(ROUTE))

OPERATION, OTHER_OPERATION = UUID(int=61), UUID(int=62)
RESTRICT = ask.RestrictIncident(operation_id=OPERATION, center_ids=(STATION, CITY), reason="on the guarded route")
RESTRICTED = IncidentRestricted(operation_id=OPERATION, center_ids=(CITY, STATION), reason="on the guarded route")

LIFE: dict[IncidentPhase, tuple[Event, ...]] = {
    IncidentPhase.OPEN: (OPENED,),
    IncidentPhase.VERIFIED: (OPENED, VERIFIED),
    IncidentPhase.ACCEPTED: (OPENED, ACCEPTED),
    IncidentPhase.RESOLVED: (OPENED, ACCEPTED, RESOLVED),
    IncidentPhase.CLOSED: (OPENED, ACCEPTED, RESOLVED, CLOSED),
    IncidentPhase.DISMISSED: (OPENED, DISMISSED),
    IncidentPhase.MERGED: (OPENED, MERGED),
}
"""The shortest way into each phase."""

OFFER = ask.OfferTransfer(
    transfer_id=TRANSFER,
    from_center_id=STATION,
    to=owned_by(OTHER_STATION),
    reason="nearer to you",
    offered_at=NOON,
    expires_at=NOON + timedelta(minutes=5),
)
ESCALATE = ask.EscalateIncident(
    level=1,
    deadline="accept",
    to=owned_by(DISTRICT),
    due_at=NOON,
    noticed_at=NOON + timedelta(seconds=2),
    explanation=WHY,
)
ANSWERED_LATE = ask.RecordLateAnswer(
    level=1,
    deadline="accept",
    to=owned_by(DISTRICT),
    due_at=NOON,
    answered_at=NOON + timedelta(seconds=1),
    noticed_at=NOON + timedelta(seconds=2),
    explanation=WHY,
)
MERGE_HERE = ask.MergeIncident(
    merge_id=MERGE,
    into_incident_id=HEAD,
    into_version=4,
    into_severity=Severity.MODERATE,
    into_status=MessageStatus.ACTUAL,
)
