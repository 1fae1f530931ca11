"""One unit on one incident at a time, unless somebody stacks on purpose."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain.assignment import commands as ask
from domain.assignment import decider
from domain.assignment import events as fact
from domain.assignment.decider import INITIAL, decide, evolve
from domain.assignment.state import ENDED_KEPT_MAX
from domain.event import Event, GeoPoint
from domain.ownership import Ownership
from domain.refusals import Refusal
from domain.vocabulary import UnitKind
from tests.domain.deciding import Decider

unit = Decider(decide, evolve, INITIAL)

UNIT, FIRST, SECOND = UUID(int=1), UUID(int=11), UUID(int=12)
FIRE, FLOOD = UUID(int=21), UUID(int=22)
OWNER = Ownership(center_id=UUID(int=31), path=(UUID(int=30), UUID(int=31)))
REGISTER = ask.RegisterUnit(
    city="chengdu",
    call_sign="JJ-101",
    agency="traffic_police",
    base=OWNER,
    kind=UnitKind.MOTORCYCLE,
    home=GeoPoint(lon=104.06, lat=30.66),
)
REGISTERED = fact.UnitRegistered(**dict(REGISTER))
ON_DUTY, OFF_DUTY = fact.UnitWentOnDuty(), fact.UnitWentOffDuty()
READY = (REGISTERED, ON_DUTY)
ASSIGN = ask.AssignUnit(
    assignment_id=FIRST,
    incident_id=FIRE,
    incident_number="CD-20260701-0001",
    incident_owner=OWNER,
    unit_id=UNIT,
    position=GeoPoint(lon=104.07, lat=30.65),
    position_age_s=12.5,
    acknowledge_by=datetime(2026, 7, 1, 4, 1, tzinfo=UTC),
)
ASSIGN_SECOND = ASSIGN.model_copy(
    update={"assignment_id": SECOND, "incident_id": FLOOD, "incident_number": "CD-20260701-0002"}
)
SAID = {name: value for name, value in ASSIGN if name in fact.AssignmentMade.model_fields}
MADE = fact.AssignmentMade(**SAID, agency="traffic_police", call_sign="JJ-101", unit_kind=UnitKind.MOTORCYCLE)
STACKED = MADE.model_copy(
    update={
        "assignment_id": SECOND,
        "incident_id": FLOOD,
        "incident_number": "CD-20260701-0002",
        "stacked": True,
        "stack_place": 1,
    }
)
ACKNOWLEDGED = fact.AssignmentAcknowledged(assignment_id=FIRST, incident_id=FIRE)
EN_ROUTE = fact.UnitEnRoute(assignment_id=FIRST, incident_id=FIRE)
ON_SCENE = fact.UnitOnScene(assignment_id=FIRST, incident_id=FIRE)
CLEARED = fact.AssignmentCleared(assignment_id=FIRST, incident_id=FIRE)
DECLINED = fact.AssignmentDeclined(assignment_id=FIRST, incident_id=FIRE, reason="flat tyre")
CANCELLED = fact.AssignmentCancelled(assignment_id=FIRST, incident_id=FIRE, reason="not needed")

STEPS: dict[str, tuple[object, Event]] = {
    "AcknowledgeAssignment": (ask.AcknowledgeAssignment(assignment_id=FIRST), ACKNOWLEDGED),
    "DeclineAssignment": (ask.DeclineAssignment(assignment_id=FIRST, reason="flat tyre"), DECLINED),
    "ReportEnRoute": (ask.ReportEnRoute(assignment_id=FIRST), EN_ROUTE),
    "ReportOnScene": (ask.ReportOnScene(assignment_id=FIRST), ON_SCENE),
    "ClearAssignment": (ask.ClearAssignment(assignment_id=FIRST), CLEARED),
    "CancelAssignment": (ask.CancelAssignment(assignment_id=FIRST, reason="not needed"), CANCELLED),
}


def test_a_unit_is_registered():
    unit.given().when(REGISTER).then(REGISTERED)


def test_the_same_registration_again_says_nothing():
    unit.given(REGISTERED).when(REGISTER).then_nothing()


def test_a_call_sign_is_not_given_twice():
    unit.given(REGISTERED).when(REGISTER.model_copy(update={"agency": "fire"})).then_refused(
        "unit.already_registered", call_sign="JJ-101"
    )


@pytest.mark.parametrize("command", [ask.GoOnDuty(), ask.GoOffDuty(), ASSIGN, STEPS["ReportEnRoute"][0]])
def test_what_was_never_registered_is_unknown(command):
    unit.given().when(command).then_refused("unit.unknown")


def test_a_unit_goes_on_and_off_duty():
    unit.given(REGISTERED).when(ask.GoOnDuty()).then(ON_DUTY)
    unit.given(*READY).when(ask.GoOffDuty()).then(OFF_DUTY)


def test_duty_said_twice_says_nothing():
    unit.given(*READY).when(ask.GoOnDuty()).then_nothing()
    unit.given(REGISTERED).when(ask.GoOffDuty()).then_nothing()


def test_nobody_goes_home_with_an_open_assignment():
    unit.given(*READY, MADE).when(ask.GoOffDuty()).then_refused(
        "unit.has_open_assignments", incident_number="CD-20260701-0001"
    )


@pytest.mark.parametrize("end", [CLEARED, DECLINED, CANCELLED])
def test_after_the_last_assignment_the_unit_may_go_home(end):
    unit.given(*READY, MADE, end).when(ask.GoOffDuty()).then(OFF_DUTY)


def test_a_unit_is_put_on_an_incident_with_where_it_was_believed_to_be():
    unit.given(*READY).when(ASSIGN).then(MADE)


def test_a_unit_off_duty_is_not_sent():
    unit.given(REGISTERED).when(ASSIGN).then_refused("unit.off_duty", call_sign="JJ-101")


def test_a_busy_unit_is_refused_and_who_has_it_is_named():
    unit.given(*READY, MADE).when(ASSIGN_SECOND).then_refused(
        "unit.already_assigned", incident_number="CD-20260701-0001", incident_id=str(FIRE)
    )


def test_a_busy_unit_is_stacked_on_purpose():
    unit.given(*READY, MADE).when(ASSIGN_SECOND.model_copy(update={"stacked": True})).then(STACKED)


def test_stacking_on_nothing_is_no_stack():
    unit.given(*READY).when(ASSIGN.model_copy(update={"stacked": True})).then(MADE)


def test_the_same_incident_twice_is_refused_even_when_stacked():
    again = ASSIGN.model_copy(update={"assignment_id": SECOND, "stacked": True})
    unit.given(*READY, MADE).when(again).then_refused("unit.already_on_incident")


@pytest.mark.parametrize("end", [CLEARED, DECLINED, CANCELLED])
def test_after_an_end_the_unit_is_free_for_the_same_incident_too(end):
    again = ASSIGN.model_copy(update={"assignment_id": SECOND})
    unit.given(*READY, MADE, end).when(again).then(MADE.model_copy(update={"assignment_id": SECOND}))


def test_each_step_is_said_once():
    history = [*READY, MADE]
    for command, event in (STEPS[name] for name in ("AcknowledgeAssignment", "ReportEnRoute", "ReportOnScene")):
        unit.given(*history).when(command).then(event)
        history.append(event)
        unit.given(*history).when(command).then_nothing()
    unit.given(*history).when(STEPS["ClearAssignment"][0]).then(CLEARED)


@pytest.mark.parametrize("step", ["ReportEnRoute", "ReportOnScene", "ClearAssignment"])
def test_who_moves_has_understood(step):
    command, event = STEPS[step]
    unit.given(*READY, MADE).when(command).then(ACKNOWLEDGED, event)


def test_no_other_skipped_step_is_invented():
    unit.given(*READY, MADE, ACKNOWLEDGED).when(STEPS["ReportOnScene"][0]).then(ON_SCENE)


def test_an_acknowledgement_after_the_start_says_nothing():
    unit.given(*READY, MADE, EN_ROUTE).when(STEPS["AcknowledgeAssignment"][0]).then_nothing()


def test_nobody_leaves_for_where_they_already_are():
    unit.given(*READY, MADE, ACKNOWLEDGED, ON_SCENE).when(STEPS["ReportEnRoute"][0]).then_refused(
        "assignment.never_back", phase="on_scene"
    )


@pytest.mark.parametrize("moving", [EN_ROUTE, ON_SCENE])
def test_a_moving_unit_cannot_decline(moving):
    unit.given(*READY, MADE, moving).when(STEPS["DeclineAssignment"][0]).then_refused("assignment.already_moving")


def test_what_is_over_stays_over():
    for end, step in itertools.product((CLEARED, DECLINED, CANCELLED), STEPS):
        command, event = STEPS[step]
        decided = unit.decide(command, (*READY, MADE, end))
        if event == end:
            assert decided == ()
        else:
            assert isinstance(decided, Refusal)
            assert decided.code == "assignment.ended"


def test_a_late_copy_of_a_step_after_the_end_says_nothing():
    history = (*READY, MADE, ACKNOWLEDGED, EN_ROUTE, ON_SCENE, CLEARED)
    for step in ("AcknowledgeAssignment", "ReportEnRoute", "ReportOnScene", "ClearAssignment"):
        unit.given(*history).when(STEPS[step][0]).then_nothing()


def test_a_unit_moves_for_one_assignment_at_a_time():
    command = ask.ReportEnRoute(assignment_id=SECOND)
    unit.given(*READY, MADE, EN_ROUTE, STACKED).when(command).then_refused(
        "unit.busy_elsewhere", incident_number="CD-20260701-0001"
    )
    promoted, understood, moving = unit.decide(command, (*READY, MADE, EN_ROUTE, STACKED, CLEARED))
    assert [type(event) for event in (promoted, understood, moving)] == [
        fact.AssignmentPromoted,
        fact.AssignmentAcknowledged,
        fact.UnitEnRoute,
    ]


def test_a_stacked_assignment_may_be_acknowledged_meanwhile():
    command = ask.AcknowledgeAssignment(assignment_id=SECOND)
    unit.given(*READY, MADE, EN_ROUTE, STACKED).when(command).then(
        fact.AssignmentAcknowledged(assignment_id=SECOND, incident_id=FLOOD)
    )


def test_an_assignment_that_was_never_made_is_unknown():
    unit.given(*READY, MADE).when(ask.ReportEnRoute(assignment_id=SECOND)).then_refused("assignment.unknown")


def test_the_decider_does_what_its_table_says():
    assert decider.__doc__ is not None
    rows = [line.split() for line in decider.__doc__.splitlines() if line.startswith("    ")]
    histories = {
        "made": (MADE,),
        "acknowledged": (MADE, ACKNOWLEDGED),
        "en_route": (MADE, ACKNOWLEDGED, EN_ROUTE),
        "on_scene": (MADE, ACKNOWLEDGED, EN_ROUTE, ON_SCENE),
        "ended": (MADE, ACKNOWLEDGED, EN_ROUTE, ON_SCENE, CANCELLED),
    }
    assert rows[0][1:] == list(histories)
    assert {row[0] for row in rows[1:]} == set(STEPS)
    for row in rows[1:]:
        command, event = STEPS[row[0]]
        for mark, history in zip(row[1:], histories.values(), strict=True):
            decided = unit.decide(command, (*READY, *history))
            refused = isinstance(decided, Refusal)
            repeated = type(event) in {type(said) for said in history}
            match mark:
                case "x":
                    assert not refused, (row[0], history)
                    assert decided[-1] == event
                case ".":
                    assert decided == (), (row[0], history)
                case "-":
                    assert refused, (row[0], history)
                case "repeat":
                    assert refused is not repeated, (row[0], history)
                case _:
                    raise AssertionError(mark)


def test_what_ended_long_ago_is_forgotten_and_what_ended_lately_is_not():
    history = [*READY]
    for number in range(ENDED_KEPT_MAX + 5):
        key = UUID(int=1_000 + number)
        history += [
            MADE.model_copy(update={"assignment_id": key}),
            CLEARED.model_copy(update={"assignment_id": key}),
        ]
    history.append(MADE)
    state = unit.state(history)
    assert len(state.assignments) == ENDED_KEPT_MAX + 1
    assert state.open_assignments[0].assignment_id == FIRST
    late = ask.ClearAssignment(assignment_id=UUID(int=1_000 + ENDED_KEPT_MAX + 4))
    unit.given(*history).when(late).then_nothing()
    forgotten = ask.ClearAssignment(assignment_id=UUID(int=1_000))
    unit.given(*history).when(forgotten).then_refused("assignment.unknown")
