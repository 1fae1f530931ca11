"""A row has the moments that a definition may name: the first of each of an incident, all of a crew or a case."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from domain.assignment import events as assignment
from domain.casework import events as casework
from domain.event import Actor, Envelope, Event, Explanation, Fact, Place
from domain.incident import events as incident
from domain.ownership import Ownership
from domain.vocabulary import ActorKind, AgencyRole, MessageStatus, Severity
from projections.fold import MemoryRows, Page
from projections.service_times import ServiceTimes, moments_of
from tests.domain.shapes import sample

FIRE, UNIT, CASE, MADE, OTHER_MADE = (UUID(int=number) for number in range(1, 6))
NOON = datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
OWNER = Ownership(center_id=UUID(int=9), path=(UUID(int=8), UUID(int=9)))
OPENED = incident.IncidentOpened(
    number="CD-1",
    city="chengdu",
    cause=incident.Cause(),
    category="fire.alarm",
    severity=Severity.SEVERE,
    priority=1,
    place=Place(),
    owner=OWNER,
)


def made(assignment_id: UUID = MADE, agency: str = "fire") -> Event:
    return assignment.AssignmentMade(
        assignment_id=assignment_id,
        incident_id=FIRE,
        incident_number="CD-1",
        incident_owner=OWNER,
        unit_id=UNIT,
        agency=agency,
        call_sign="F-1",
    )


def crew(kind: type[Event], assignment_id: UUID = MADE, **more: Any) -> Event:
    return kind(assignment_id=assignment_id, incident_id=FIRE, **more)


def told(*said: tuple[int, Event] | tuple[int, Event, UUID]) -> Mapping[Any, Mapping[str, Any]]:
    """The rows after facts that happened so many seconds after noon, in the order of their recording."""
    rows = MemoryRows(ServiceTimes())
    for position, (second, event, *stream) in enumerate(said, 1):
        at = NOON + timedelta(seconds=second)
        is_crew = event.name.startswith("assignment.")
        found = stream[0] if stream else (UNIT if is_crew else FIRE)
        envelope = Envelope(
            event_id=UUID(int=position), occurred_at=at, received_at=at, actor=Actor(kind=ActorKind.SYSTEM, id="test")
        )
        rows.take(Page(position, [Fact(position, found, position, at, envelope, event)]))
    assert not rows.parked
    return rows.rows


def seconds(row: Mapping[str, Any]) -> list[tuple[str, float]]:
    return [(each.name.split(".")[1], (each.at - NOON).total_seconds()) for each in moments_of(row)]


def test_an_incident_has_the_first_step_of_any_crew_and_each_assignment_its_own():
    rows = told(
        (0, OPENED),
        (10, made()),
        (20, made(OTHER_MADE, "health")),
        (90, crew(assignment.UnitOnScene)),
        (60, crew(assignment.UnitOnScene, OTHER_MADE)),
        (70, crew(assignment.AssignmentDeclined, reason="flat tyre")),
    )
    assert seconds(rows[FIRE, FIRE]) == [("opened", 0), ("made", 10), ("on_scene", 60)]
    assert seconds(rows[FIRE, MADE]) == [("made", 10), ("on_scene", 90), ("declined", 70)]
    assert seconds(rows[FIRE, OTHER_MADE]) == [("made", 20), ("on_scene", 60)]
    assert [rows[FIRE, key]["agency"] for key in (MADE, OTHER_MADE)] == ["fire", "health"]
    assert [row["kind"] for row in rows.values()] == ["incident", "assignment", "assignment"]


def test_a_reopening_begins_the_first_steps_anew():
    rows = told(
        (0, OPENED),
        (5, made()),
        (50, incident.IncidentReopened(reason="it came back")),
        (55, made(OTHER_MADE)),
        (58, made(UUID(int=6))),
    )
    assert seconds(rows[FIRE, FIRE]) == [("opened", 0), ("made", 5), ("reopened", 50), ("made", 55)]


def test_what_may_happen_again_is_kept_each_time_for_a_time_may_begin_or_end_with_any_of_them():
    routed = incident.IncidentRouted(owner=OWNER, recipients=(), explanation=Explanation(policy="routing"))
    claimed = incident.IncidentClaimed(operator_id=UUID(int=60))
    accepted = incident.IncidentAccepted(center_id=OWNER.center_id)
    again = [routed, incident.IncidentVerified(), claimed, accepted]
    said = [(10 * turn + number, event) for turn in (1, 2) for number, event in enumerate(again)]
    names = ["routed", "verified", "claimed", "accepted"] * 2
    assert seconds(told((0, OPENED), *said)[FIRE, FIRE]) == [
        ("opened", 0),
        *zip(names, (second for second, _ in said), strict=True),
    ]


def test_a_row_that_says_nothing_new_is_not_written_again():
    rows = told((0, OPENED), (10, made()), (20, crew(assignment.UnitOnScene)))
    at = NOON + timedelta(seconds=30)
    envelope = Envelope(
        event_id=UUID(int=99), occurred_at=at, received_at=at, actor=Actor(kind=ActorKind.SYSTEM, id="test")
    )
    later = crew(assignment.UnitOnScene, OTHER_MADE)
    fact = Fact(99, UNIT, 99, at, envelope, later)
    assert ServiceTimes().apply((FIRE, FIRE), rows[FIRE, FIRE], fact) is rows[FIRE, FIRE]


def test_the_context_is_the_incidents_of_now():
    said = incident.IncidentRouted(
        owner=OWNER,
        recipients=(
            incident.Recipient(
                agency="fire",
                center_id=OWNER.center_id,
                path=OWNER.path,
                role=AgencyRole.RESPONSIBLE,
                reason={"code": "x"},
            ),
        ),
        explanation=Explanation(policy="routing"),
    )
    moved = incident.TransferAccepted(
        transfer_id=UUID(int=70),
        from_center_id=OWNER.center_id,
        owner=Ownership(center_id=UUID(int=7), path=(UUID(int=8), UUID(int=7))),
    )
    classified = incident.IncidentClassified(category="help.medical", severity=Severity.MINOR, priority=4)
    row = told((0, OPENED), (1, said), (2, classified), (3, moved))[FIRE, FIRE]
    assert (row["category"], row["severity"], row["priority"], row["agency"]) == ("help.medical", 1, 4, "fire")
    assert (row["owner_center_id"], row["is_exercise"]) == (UUID(int=7), False)
    exercise = OPENED.model_copy(update={"status": MessageStatus.EXERCISE})
    assert told((0, exercise))[FIRE, FIRE]["is_exercise"] is True


def test_a_case_has_all_its_facts_and_the_department_that_has_it():
    filed, assigned, paused = (
        kind.model_validate(sample(kind, full=True)).model_copy(update={"incident_id": FIRE})
        for kind in (casework.CaseFiled, casework.CaseAssigned, casework.CasePaused)
    )
    department = casework.Department(agency="urban_management", center=OWNER)
    assigned = assigned.model_copy(update={"department": department})
    rows = told((0, OPENED), (1, filed, CASE), (2, assigned, CASE), (3, paused, CASE), (9, paused, CASE))
    assert seconds(rows[FIRE, CASE]) == [("filed", 1), ("assigned", 2), ("paused", 3), ("paused", 9)]
    assert rows[FIRE, CASE]["agency"] == "urban_management"


def test_nothing_is_measured_of_an_incident_that_was_never_opened():
    assert told((0, incident.IncidentVerified())) == {}
    assert set(told((0, made()))) == {(FIRE, MADE)}
