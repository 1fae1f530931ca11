"""What partners hear of an incident that becomes a restricted operation's: pure, from facts to messages."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

from dispatch.partners.composer import Composer
from dispatch.partners.sharing import SharedIncident
from dispatch.partners.tree import Tree
from domain.assignment.events import AssignmentCancelled, AssignmentCleared, AssignmentMade
from domain.event import Envelope, Event, Fact
from domain.incident.events import IncidentVerified, SeverityRaised
from domain.incident.restriction_events import ClearanceChanged, IncidentRestricted, RestrictionLifted
from domain.order.events import OrderIssued
from domain.vocabulary import AgencyRole, Severity
from tests.partners.conftest import CITY
from tests.partners.story import ALL_FIELDS, BEGAN_AT, OWNER, ROOT, STATION, SYSTEM, agency_registered, opened, routed
from tests.partners.test_partner_orders import ORDER, content

INCIDENT, OPERATION, UNIT, ASSIGNMENT, FLOOD_HQ = (UUID(int=number) for number in range(1, 6))
RAISED = SeverityRaised(from_severity=Severity.MODERATE, to_severity=Severity.SEVERE, priority=1, alert_position=1)
RESTRICTED = IncidentRestricted(operation_id=OPERATION, center_ids=(ROOT, STATION), reason="guarded")
LIFTED = RestrictionLifted(operation_id=OPERATION, reason="over")
MADE = AssignmentMade(
    assignment_id=ASSIGNMENT,
    incident_id=INCIDENT,
    incident_number="CD-1",
    incident_owner=OWNER,
    unit_id=UNIT,
    agency="flood_control",
    call_sign="F-1",
)


class Feeds:
    """The feeds of the police and of flood control, from the first fact on."""

    def __init__(self) -> None:
        self._composer = Composer(CITY, Tree(), {"police": 0, "flood_control": 0})
        self._incidents: dict[UUID, SharedIncident] = {}
        self._position = 0
        for code in ("police", "flood_control"):
            self.tell(agency_registered(code, fields=(*ALL_FIELDS, "order_kind", "text")), stream_id=UUID(int=99))
        self.tell(opened("CD-1"))
        self.tell(routed(police=AgencyRole.RESPONSIBLE, flood_control=AgencyRole.INFORMED))

    def tell(self, event: Event, *, stream_id: UUID = INCIDENT) -> list[tuple[str, str, dict[str, Any]]]:
        """(agency, what, body) of the messages that follow."""
        self._position += 1
        at = BEGAN_AT + timedelta(seconds=self._position)
        envelope = Envelope(event_id=UUID(int=1_000 + self._position), occurred_at=at, received_at=at, actor=SYSTEM)
        fact = Fact(self._position, stream_id, self._position, at, envelope, event)
        said = self._composer.take(fact, self._incidents)
        return [(entry.agency, entry.type.split(".", 2)[2], json.loads(entry.body)) for entry in said]


def heard(messages: list[tuple[str, str, dict[str, Any]]]) -> list[tuple[str, str]]:
    return [(agency, kind) for agency, kind, _ in messages]


def test_it_is_withdrawn_by_its_id_alone_and_nothing_more_is_told() -> None:
    feeds = Feeds()
    said = feeds.tell(RESTRICTED)
    assert heard(said) == [("flood_control", "withdrawn.v1"), ("police", "withdrawn.v1")]
    assert [body for _, _, body in said] == [{"incident_id": str(INCIDENT)}] * 2
    assert feeds.tell(RAISED) == feeds.tell(IncidentVerified()) == []
    assert feeds.tell(ClearanceChanged(operation_id=OPERATION, center_ids=(ROOT, STATION))) == []


def test_who_may_know_again_gets_the_state_as_it_is_now() -> None:
    feeds = Feeds()
    feeds.tell(RESTRICTED)
    feeds.tell(RAISED)
    said = feeds.tell(LIFTED)
    assert heard(said) == [("flood_control", "routed.v1"), ("police", "routed.v1")]
    assert {body["severity"] for _, _, body in said} == {"severe"}
    assert heard(feeds.tell(IncidentVerified())) == [("flood_control", "verified.v1"), ("police", "verified.v1")]


def test_an_agency_whose_own_center_takes_part_goes_on_hearing() -> None:
    feeds = Feeds()
    said = feeds.tell(RESTRICTED.model_copy(update={"agencies": ("police",)}))
    assert heard(said) == [("flood_control", "withdrawn.v1")]
    assert heard(feeds.tell(RAISED)) == [("police", "severity_raised.v1")]
    joined = ClearanceChanged(operation_id=OPERATION, center_ids=(ROOT, STATION, FLOOD_HQ), agencies=("flood_control",))
    assert heard(feeds.tell(joined)) == [("flood_control", "routed.v1"), ("police", "withdrawn.v1")]


def test_whoever_has_a_crew_on_it_hears_all_until_the_crew_is_done() -> None:
    feeds = Feeds()
    feeds.tell(MADE, stream_id=UNIT)
    assert heard(feeds.tell(RESTRICTED)) == [("police", "withdrawn.v1")]
    raised = feeds.tell(RAISED)
    assert heard(raised) == [("flood_control", "severity_raised.v1")]
    assert raised[0][2]["place"]["address"] == "武侯大道"
    done = feeds.tell(AssignmentCleared(assignment_id=ASSIGNMENT, incident_id=INCIDENT), stream_id=UNIT)
    assert [kind for _, kind, _ in done][-1] == "withdrawn.v1"
    assert {agency for agency, _, _ in done} == {"flood_control"}
    assert len(done) == 2
    assert feeds.tell(IncidentVerified()) == []


def test_a_crew_that_is_diverted_hears_of_it_with_its_new_assignment_and_the_incident_is_withdrawn() -> None:
    feeds = Feeds()
    feeds.tell(MADE, stream_id=UNIT)
    feeds.tell(RESTRICTED)
    diverted = AssignmentCancelled(
        assignment_id=ASSIGNMENT,
        incident_id=INCIDENT,
        reason="a life is at stake",
        diverted_to=UUID(int=6),
        is_told_with_it=True,
    )
    said = feeds.tell(diverted, stream_id=UNIT)
    assert said == [("flood_control", "withdrawn.v1", {"incident_id": str(INCIDENT)})]


def test_who_is_sent_after_it_was_restricted_is_told_all_of_it() -> None:
    feeds = Feeds()
    feeds.tell(RESTRICTED)
    said = feeds.tell(MADE, stream_id=UNIT)
    assert heard(said) == [("flood_control", "routed.v1")]
    assert said[0][2]["number"] == "CD-1"


def test_an_order_is_told_to_who_must_follow_it_without_the_incident() -> None:
    feeds = Feeds()
    issued = OrderIssued(order=content(incident_id=INCIDENT), issued_at=BEGAN_AT)
    assert feeds.tell(issued, stream_id=ORDER)[0][2]["incident_id"] == str(INCIDENT)
    feeds.tell(RESTRICTED)
    ((agency, _, body),) = feeds.tell(issued, stream_id=ORDER)
    assert (agency, body["number"], "incident_id" in body) == ("police", "CD-ORDER-20260703-001", False)
    feeds.tell(LIFTED)
    assert "incident_id" in feeds.tell(issued, stream_id=ORDER)[0][2]
