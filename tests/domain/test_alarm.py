"""An alarm rises by a person's word or a rule's, falls by a person's word alone, and never for an exercise."""

from __future__ import annotations

from domain.event import Explanation
from domain.incident import commands as ask
from domain.incident import events as fact
from domain.incident import plan_events as plan_facts
from domain.incident.state import IncidentState
from domain.vocabulary import IncidentPhase, MessageStatus, UnitKind
from tests.domain.incident_story import LIFE, incident

WANTED = (plan_facts.WantedUnits(agency="fire", unit_kinds=(UnitKind.FIRE_ENGINE,), units=5),)
OPEN = LIFE[IncidentPhase.OPEN]
RAISE = ask.RaiseAlarm(level=2, plan="fire", wanted=WANTED, reason="it spreads")
RAISED = plan_facts.AlarmRaised(from_level=1, to_level=2, plan="fire", wanted=WANTED, reason="it spreads")


def test_an_incident_begins_at_the_first_alarm():
    state: IncidentState = incident.state(OPEN)
    assert state.alarm_level == 1


def test_a_person_raises_the_alarm_with_a_reason():
    incident.given(*OPEN).when(RAISE).then(RAISED)
    assert incident.state([*OPEN, RAISED]).alarm_level == 2


def test_a_rule_explains_itself_instead():
    why = Explanation(policy="alarm", input_positions=(4,))
    command = RAISE.model_copy(update={"reason": None, "explanation": why})
    incident.given(*OPEN).when(command).then(RAISED.model_copy(update={"reason": None, "explanation": why}))


def test_the_level_it_has_is_nothing():
    incident.given(*OPEN, RAISED).when(RAISE).then_nothing()


def test_raising_never_lowers_and_lowering_never_raises():
    third = RAISED.model_copy(update={"from_level": 1, "to_level": 3})
    incident.given(*OPEN, third).when(RAISE).then_refused("incident.alarm_other_way", alarm_level="3")
    lower = ask.LowerAlarm(level=2, plan="fire", wanted=WANTED, reason="under control")
    incident.given(*OPEN).when(lower).then_refused("incident.alarm_other_way", alarm_level="1")
    incident.given(*OPEN, third).when(lower).then(
        plan_facts.AlarmLowered(from_level=3, to_level=2, plan="fire", wanted=WANTED, reason="under control")
    )


def test_a_level_is_kept_through_reopening():
    resolved = LIFE[IncidentPhase.RESOLVED]
    reopened = fact.IncidentReopened(reason="it burns again")
    assert incident.state([resolved[0], RAISED, *resolved[1:], reopened]).alarm_level == 2


def test_an_exercise_asks_nobody():
    opened = OPEN[0].model_copy(update={"status": MessageStatus.EXERCISE})
    incident.given(opened).when(RAISE).then_refused("incident.not_actual")
