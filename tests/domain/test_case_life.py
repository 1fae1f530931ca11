"""What a case goes through: filed, assigned, handled, checked, closed, and everything that may come between."""

from __future__ import annotations

import pytest

from domain.casework import commands as ask
from domain.casework import events as fact
from domain.casework.state import INITIAL, evolve
from domain.vocabulary import CaseStage, Lamp
from tests.domain.case_story import (
    ALICE,
    ARBITER,
    ASSIGN,
    ASSIGNED,
    BOUNCED,
    CLEANING,
    CLOSED,
    FILE,
    FILED,
    HANDLED,
    HOUR,
    INCIDENT,
    LIFE,
    PASSED,
    PAUSED,
    REQUESTED,
    RETURN,
    RETURNED,
    RETURNED_AGAIN,
    SENT_UP,
    TERMS,
    TO_PARKS,
    TO_PARKS_IT_IS,
    TURN,
    VOIDED,
    at,
    case,
    department,
    limit,
)

RESUME = ask.ResumeCase(resumed_at=at(days=2))
GRANT = ask.GrantExtension(approved_by=ALICE, granted_at=at(hours=2))


def test_a_case_is_filed_once() -> None:
    case.given().when(FILE).then(FILED)
    case.given(FILED).when(FILE).then_refused("case.already_filed")


def test_a_department_gets_its_time_when_it_gets_the_case() -> None:
    case.given(FILED).when(ASSIGN).then(ASSIGNED)


def test_a_case_that_a_department_has_goes_to_no_other() -> None:
    case.given(FILED, ASSIGNED).when(TO_PARKS).then_refused("case.already_assigned", phase="assigned")


def test_the_next_department_begins_with_time_of_its_own() -> None:
    case.given(FILED, ASSIGNED).when(RETURN).then(RETURNED)
    case.given(FILED, ASSIGNED, RETURNED).when(TO_PARKS).then(TO_PARKS_IT_IS)


def test_the_return_that_is_one_too_many_sends_the_case_to_the_arbiter() -> None:
    back = ask.ReturnCase(reason="no trees there", returned_at=at(hours=3))
    case.given(*BOUNCED[:4]).when(back).then(RETURNED_AGAIN, SENT_UP)


def test_a_dispatcher_may_not_pass_on_what_is_with_the_arbiter() -> None:
    case.given(*BOUNCED).when(TO_PARKS).then_refused("case.in_arbitration", arbiter_center_id=str(ARBITER))


def test_what_the_arbiter_assigns_is_not_returned() -> None:
    arbitrate = ask.ArbitrateCase(department=department(), arbitrated_at=at(hours=9), reason="your street")
    arbitrated = fact.CaseArbitrated(
        incident_id=INCIDENT, department=department(), limit=limit(2, at(hours=9)), reason="your street"
    )
    case.given(*BOUNCED).when(arbitrate).then(arbitrated)
    case.given(*BOUNCED, arbitrated).when(RETURN).then_refused("case.binding")
    reworked = fact.CaseChecked(
        incident_id=INCIDENT, passed=False, checked_at=at(hours=12), limit=limit(4, at(hours=12))
    )
    handled = HANDLED.model_copy(update={"limit": limit(3, at(hours=10), stage=CaseStage.CHECK)})
    case.given(*BOUNCED, arbitrated, handled, reworked).when(RETURN).then_refused("case.binding")


def test_handling_stops_the_departments_time_and_starts_the_checkers() -> None:
    handle = ask.HandleCase(outcome="swept", handled_at=at(hours=4))
    case.given(FILED, ASSIGNED).when(handle).then(HANDLED)


def test_a_case_that_passed_is_closed_and_one_that_did_not_goes_on_with_what_was_left() -> None:
    case.given(FILED, ASSIGNED, HANDLED).when(ask.CheckCase(passed=True, checked_at=at(hours=5))).then(PASSED)
    failed = ask.CheckCase(passed=False, checked_at=at(days=3), note="still there")
    case.given(FILED, ASSIGNED, HANDLED).when(failed).then(
        fact.CaseChecked(
            incident_id=INCIDENT,
            passed=False,
            checked_at=at(days=3),
            note="still there",
            limit=limit(2, at(days=3), left_s=6 * HOUR),
        )
    )
    case.given(FILED, ASSIGNED, HANDLED, PASSED).when(ask.CloseCase(closed_at=at(hours=6))).then(CLOSED)


def test_a_rework_is_the_same_departments() -> None:
    again = fact.CaseChecked(incident_id=INCIDENT, passed=False, checked_at=at(hours=5), limit=limit(2, at(hours=5)))
    state = case.state((FILED, ASSIGNED, HANDLED, again))
    assert state.department is not None
    assert state.department.center.center_id == CLEANING


def test_paused_time_does_not_count() -> None:
    pause = ask.PauseCase(reason="rain", approved_by=ALICE, paused_at=at(hours=3))
    case.given(FILED, ASSIGNED).when(pause).then(PAUSED)
    case.given(FILED, ASSIGNED, PAUSED).when(RESUME).then(
        fact.CaseResumed(incident_id=INCIDENT, limit=limit(1, at(days=2), left_s=7 * HOUR), paused_s=45 * HOUR)
    )


def test_a_class_may_forbid_a_pause() -> None:
    strict = FILED.model_copy(update={"terms": TERMS.model_copy(update={"may_pause": False})})
    pause = ask.PauseCase(reason="rain", approved_by=ALICE, paused_at=at(hours=3))
    case.given(strict, ASSIGNED).when(pause).then_refused("case.may_not_pause", class_code="urban.exposed_refuse")


def test_more_time_is_asked_for_and_given() -> None:
    request = ask.RequestExtension(extra_s=2 * HOUR, reason="a crane is needed", requested_at=at(hours=1))
    case.given(FILED, ASSIGNED).when(request).then(REQUESTED)
    case.given(FILED, ASSIGNED, REQUESTED).when(request).then_refused("case.extension_already_requested")
    case.given(FILED, ASSIGNED, REQUESTED).when(GRANT).then(
        fact.ExtensionGranted(
            incident_id=INCIDENT,
            extra_s=2 * HOUR,
            approved_by=ALICE,
            granted_at=at(hours=2),
            limit=limit(1, at(hours=2), allowed_s=12 * HOUR, left_s=10 * HOUR),
        )
    )


def test_more_time_is_refused_with_a_reason_and_may_be_asked_for_again() -> None:
    refuse = ask.RefuseExtension(reason="sweep it", refused_by=ALICE)
    refused = fact.ExtensionRefused(incident_id=INCIDENT, extra_s=2 * HOUR, reason="sweep it", refused_by=ALICE)
    case.given(FILED, ASSIGNED, REQUESTED).when(refuse).then(refused)
    case.given(FILED, ASSIGNED, REQUESTED, refused).when(GRANT).then_refused("case.no_extension_requested")


def test_nobody_gets_more_than_the_class_allows_in_all() -> None:
    granted = case.decide(GRANT, (FILED, ASSIGNED, REQUESTED))
    more = ask.RequestExtension(extra_s=4 * HOUR, reason="and a digger", requested_at=at(hours=3))
    case.given(FILED, ASSIGNED, REQUESTED, *granted).when(more).then_refused(
        "case.extension_too_long", extension_s_left=str(3 * HOUR)
    )


def test_more_time_is_not_asked_for_when_it_is_up() -> None:
    late = ask.RequestExtension(extra_s=HOUR, reason="rain", requested_at=at(hours=11))
    case.given(FILED, ASSIGNED).when(late).then_refused("case.time_is_up")


def test_what_one_department_was_granted_is_not_the_next_ones() -> None:
    granted = case.decide(GRANT, (FILED, ASSIGNED, REQUESTED))
    next_one = case.decide(TO_PARKS, (FILED, ASSIGNED, REQUESTED, *granted, RETURNED))
    assert next_one[0].limit == limit(2, at(hours=2))


def test_a_leader_may_press_until_the_end() -> None:
    press = ask.SuperviseCase(demand="today", supervised_by=ALICE)
    said = fact.CaseSupervised(incident_id=INCIDENT, demand="today", supervised_by=ALICE)
    for phase, told in LIFE.items():
        if phase in {"closed", "voided"}:
            case.given(*told).when(press).then_refused("case.ended", phase=phase)
        else:
            case.given(*told).when(press).then(said)


def test_a_lamp_turns_at_eighty_percent_and_says_how_late_that_was_noticed() -> None:
    turned = fact.LampTurned(
        incident_id=INCIDENT,
        limit_number=0,
        stage=CaseStage.HANDLE,
        lamp=Lamp.AMBER,
        due_at=at(hours=8),
        late_s=0,
    )
    case.given(FILED, ASSIGNED).when(TURN).then(turned)
    late = TURN.model_copy(update={"noticed_at": at(hours=9)})
    case.given(FILED, ASSIGNED).when(late).then(turned.model_copy(update={"late_s": HOUR}))
    case.given(FILED, ASSIGNED, turned).when(late).then_nothing()


def test_a_lamp_does_not_turn_early() -> None:
    early = TURN.model_copy(update={"noticed_at": at(hours=7, minutes=59)})
    case.given(FILED, ASSIGNED).when(early).then_refused("case.lamp_too_early")


def test_a_lamp_does_not_turn_for_a_time_that_stopped_before() -> None:
    later = TURN.model_copy(update={"noticed_at": at(days=5)})
    case.given(FILED, ASSIGNED, HANDLED).when(later).then_nothing()
    case.given(FILED, ASSIGNED, PAUSED).when(later).then_nothing()
    case.given(FILED, ASSIGNED, VOIDED).when(later).then_nothing()


@pytest.mark.parametrize("ended", [at(hours=9)])
def test_a_lamp_that_was_due_before_the_time_stopped_was_missed_and_is_recorded(ended) -> None:
    handled = case.decide(ask.HandleCase(outcome="swept", handled_at=ended), (FILED, ASSIGNED))
    later = TURN.model_copy(update={"noticed_at": at(days=5)})
    (turned,) = case.decide(later, (FILED, ASSIGNED, *handled))
    assert (turned.due_at, turned.ended_at, turned.late_s) == (at(hours=8), ended, 112 * HOUR)


def test_a_lamp_of_a_limit_that_never_was_is_nothing() -> None:
    case.given(FILED, ASSIGNED).when(TURN.model_copy(update={"limit_number": 7})).then_nothing()


def test_any_fact_on_any_state_is_folded() -> None:
    for told in LIFE.values():
        for event in told:
            evolve(INITIAL, event)
            for other in LIFE.values():
                evolve(case.state(other), event)
