"""The people, departments and commands that the casework tests tell about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from domain.casework import commands as ask
from domain.casework import events as fact
from domain.casework.decider import INITIAL, decide, evolve
from domain.casework.events import CaseTerms, Department
from domain.casework.limits import Limit
from domain.event import Event
from domain.ownership import Ownership
from domain.vocabulary import CasePhase, CaseStage, Lamp, RoutingClass, Severity, TimeCounting
from domain.working_time import AroundTheClock, Counting
from tests.domain.deciding import Decider

NINE = datetime(2026, 7, 1, 1, 0, tzinfo=UTC)
"""A Wednesday, nine in the morning in Chengdu."""
INCIDENT = UUID(int=0x10)
ALICE = UUID(int=0x20)
CITY, CENTER, CLEANING, PARKS, ARBITER = (UUID(int=number) for number in range(1, 6))
HOUR = 3_600


def at(**span: float) -> datetime:
    """A moment of the story."""
    return NINE + timedelta(**span)


def owned(center: UUID) -> Ownership:
    return Ownership(center_id=center, path=(CITY, center))


def department(agency: str = "cleaning", center: UUID = CLEANING) -> Department:
    return Department(agency=agency, center=owned(center))


TERMS = CaseTerms(
    counting=TimeCounting.AROUND_THE_CLOCK,
    handle_within_s=10 * HOUR,
    check_within_s=2 * HOUR,
    may_pause=True,
    extension_s_max=5 * HOUR,
    returns_max=2,
)
FILE = ask.FileCase(
    incident_id=INCIDENT,
    incident_number="CD-20260701-0001",
    city="chengdu",
    class_code="urban.exposed_refuse",
    category="urban.littering",
    kind=RoutingClass.EVENT,
    major_code="01",
    minor_code="02",
    severity=Severity.MINOR,
    supervision=owned(CENTER),
    arbiter=owned(ARBITER),
    terms=TERMS,
    filed_at=NINE,
)
FILED = fact.CaseFiled(**FILE.model_dump())


def limit(number: int, since: datetime, *, stage: CaseStage = CaseStage.HANDLE, **given: Any) -> Limit:
    """A limit around the clock: `allowed_s` and `left_s` of ten hours unless said."""
    allowed_s = given.pop("allowed_s", TERMS.check_within_s if stage is CaseStage.CHECK else TERMS.handle_within_s)
    left_s = given.pop("left_s", allowed_s)
    to_amber_s = left_s - allowed_s / 5
    return Limit(
        number=number,
        stage=stage,
        counting=TimeCounting.AROUND_THE_CLOCK,
        allowed_s=allowed_s,
        left_s=left_s,
        since_at=since,
        amber_at=since + timedelta(seconds=to_amber_s) if to_amber_s >= 0 else None,
        red_at=since + timedelta(seconds=left_s) if left_s >= 0 else None,
    )


ASSIGN = ask.AssignCase(department=department(), assigned_at=NINE)
ASSIGNED = fact.CaseAssigned(incident_id=INCIDENT, department=department(), limit=limit(0, NINE))
RETURN = ask.ReturnCase(reason="private ground", returned_at=at(hours=1))
RETURNED = fact.CaseReturned(
    incident_id=INCIDENT, department=department(), reason="private ground", returned_at=at(hours=1), returns=1
)
TO_PARKS = ask.AssignCase(department=department("parks", PARKS), assigned_at=at(hours=2))
TO_PARKS_IT_IS = fact.CaseAssigned(
    incident_id=INCIDENT, department=department("parks", PARKS), limit=limit(1, at(hours=2))
)
RETURNED_AGAIN = fact.CaseReturned(
    incident_id=INCIDENT,
    department=department("parks", PARKS),
    reason="no trees there",
    returned_at=at(hours=3),
    returns=2,
)
SENT_UP = fact.CaseSentToArbiter(incident_id=INCIDENT, arbiter=owned(ARBITER), returns=2)
BOUNCED = (FILED, ASSIGNED, RETURNED, TO_PARKS_IT_IS, RETURNED_AGAIN, SENT_UP)
HANDLED = fact.CaseHandled(
    incident_id=INCIDENT,
    outcome="swept",
    handled_at=at(hours=4),
    left_s=6 * HOUR,
    limit=limit(1, at(hours=4), stage=CaseStage.CHECK),
)
PASSED = fact.CaseChecked(incident_id=INCIDENT, passed=True, checked_at=at(hours=5))
PAUSED = fact.CasePaused(incident_id=INCIDENT, reason="rain", approved_by=ALICE, paused_at=at(hours=3), left_s=7 * HOUR)
CLOSED = fact.CaseClosed(incident_id=INCIDENT, closed_at=at(hours=6))
VOIDED = fact.CaseVoided(incident_id=INCIDENT, reason="filed twice", voided_at=at(hours=1))
REQUESTED = fact.ExtensionRequested(
    incident_id=INCIDENT, extra_s=2 * HOUR, reason="a crane is needed", requested_at=at(hours=1)
)
TURN = ask.TurnLamp(limit_number=0, lamp=Lamp.AMBER, noticed_at=at(hours=8))

LIFE: dict[CasePhase, tuple[Event, ...]] = {
    CasePhase.FILED: (FILED,),
    CasePhase.ASSIGNED: (FILED, ASSIGNED),
    CasePhase.RETURNED: (FILED, ASSIGNED, RETURNED),
    CasePhase.ARBITRATION: BOUNCED,
    CasePhase.PAUSED: (FILED, ASSIGNED, PAUSED),
    CasePhase.HANDLED: (FILED, ASSIGNED, HANDLED),
    CasePhase.PASSED: (FILED, ASSIGNED, HANDLED, PASSED),
    CasePhase.CLOSED: (FILED, ASSIGNED, HANDLED, PASSED, CLOSED),
    CasePhase.VOIDED: (FILED, ASSIGNED, VOIDED),
}
"""A case in each phase."""


def case_under(counting: Counting) -> Decider:
    """The decider, with this time counting."""
    return Decider(lambda command, state: decide(command, state, counting), evolve, INITIAL)


case = case_under(AroundTheClock())
