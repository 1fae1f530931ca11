"""An incident from opening to closing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.event import GeoPoint, Place
from domain.incident import commands as ask
from domain.incident import events as fact
from domain.incident.admission import dispatch_refusal
from domain.vocabulary import AgencyRole, DismissReason, Disposition, IncidentPhase, MessageStatus, Severity
from tests.domain.incident_story import (
    ACCEPTED,
    ALICE,
    ANSWERED_LATE,
    BOB,
    CITY,
    CLAIMED,
    CLOSED,
    DISMISSED,
    ESCALATE,
    EXERCISE,
    LIFE,
    MERGED,
    NOON,
    OFFERED,
    OPEN,
    OPENED,
    OTHER_STATION,
    REOPENED,
    RESOLVED,
    ROUTE,
    ROUTED,
    SPOT,
    STATION,
    VERIFIED,
    WHY,
    incident,
    owned_by,
    recipient,
)


def test_an_incident_is_opened_with_a_number_and_an_owner():
    incident.given().when(OPEN).then(OPENED)


def test_an_incident_is_opened_once():
    incident.given(OPENED).when(OPEN).then_refused("incident.already_opened", number="CD-20260701-0001")


@pytest.mark.parametrize(
    "command", [ask.VerifyIncident(), ask.CloseIncident(), ROUTE, ESCALATE, ask.ClaimIncident(operator_id=ALICE)]
)
def test_what_was_never_opened_is_unknown(command):
    incident.given().when(command).then_refused("incident.unknown")


def test_somebody_looked_and_it_is_real():
    incident.given(OPENED).when(ask.VerifyIncident(note="on camera")).then(fact.IncidentVerified(note="on camera"))


def test_looking_twice_says_nothing_new():
    incident.given(OPENED, VERIFIED).when(ask.VerifyIncident()).then_nothing()


def test_an_accepted_incident_needs_no_verification():
    incident.given(OPENED, ACCEPTED).when(ask.VerifyIncident()).then_nothing()


def test_a_false_alarm_is_dismissed_with_its_reason():
    incident.given(OPENED).when(ask.DismissIncident(reason=DismissReason.FALSE_ALARM)).then(DISMISSED)


def test_a_dismissed_incident_cannot_be_verified():
    incident.given(OPENED, DISMISSED).when(ask.VerifyIncident()).then_refused("incident.already_dismissed")


def test_a_person_may_lower_the_severity():
    command = ask.ClassifyIncident(category="traffic.congestion", severity=Severity.MINOR, priority=6)
    incident.given(OPENED).when(command).then(
        fact.IncidentClassified(category="traffic.congestion", severity=Severity.MINOR, priority=6)
    )


def test_the_same_classification_again_says_nothing():
    command = ask.ClassifyIncident(category="traffic.accident", severity=Severity.MODERATE, priority=3)
    incident.given(OPENED).when(command).then_nothing()


def test_a_note_with_the_same_classification_is_kept():
    command = ask.ClassifyIncident(category="traffic.accident", severity=Severity.MODERATE, priority=3, note="sure")
    incident.given(OPENED).when(command).then(
        fact.IncidentClassified(category="traffic.accident", severity=Severity.MODERATE, priority=3, note="sure")
    )


def test_a_worse_alert_raises_the_severity_and_names_itself():
    command = ask.RaiseSeverity(severity=Severity.EXTREME, priority=1, alert_position=9)
    incident.given(OPENED).when(command).then(
        fact.SeverityRaised(from_severity=Severity.MODERATE, to_severity=Severity.EXTREME, priority=1, alert_position=9)
    )


@pytest.mark.parametrize("severity", [Severity.UNKNOWN, Severity.MINOR, Severity.MODERATE])
def test_a_milder_alert_never_lowers_the_severity(severity):
    command = ask.RaiseSeverity(severity=severity, priority=9, alert_position=9)
    incident.given(OPENED).when(command).then_nothing()


def test_a_rise_never_makes_it_less_urgent():
    command = ask.RaiseSeverity(severity=Severity.SEVERE, priority=8, alert_position=9)
    incident.given(OPENED).when(command).then(
        fact.SeverityRaised(from_severity=Severity.MODERATE, to_severity=Severity.SEVERE, priority=3, alert_position=9)
    )


def test_a_rise_on_a_closed_incident_is_refused_aloud_rather_than_swallowed():
    command = ask.RaiseSeverity(severity=Severity.EXTREME, priority=0, alert_position=9)
    incident.given(*LIFE[IncidentPhase.CLOSED]).when(command).then_refused("incident.already_closed")


def test_an_address_becomes_a_point():
    place = Place(point=GeoPoint(lon=104.1, lat=30.7), address="Tianfu Square")
    incident.given(OPENED).when(ask.RelocateIncident(place=place)).then(fact.IncidentRelocated(place=place))


def test_the_same_place_again_says_nothing():
    incident.given(OPENED).when(ask.RelocateIncident(place=SPOT)).then_nothing()


def test_routing_names_who_must_act_and_by_when():
    incident.given(OPENED).when(ROUTE).then(ROUTED)


def test_the_same_routing_again_says_nothing():
    incident.given(OPENED, ROUTED).when(ROUTE).then_nothing()


def test_routing_chooses_the_owner_until_a_center_has_taken_it():
    moved = ROUTE.model_copy(update={"owner": owned_by(OTHER_STATION)})
    incident.given(OPENED, VERIFIED).when(moved).then(ROUTED.model_copy(update={"owner": owned_by(OTHER_STATION)}))


@pytest.mark.parametrize(
    "history", [(OPENED, ACCEPTED, RESOLVED, REOPENED), (OPENED, DISMISSED, REOPENED), (OPENED, OFFERED)]
)
def test_routing_leaves_the_owner_that_took_it(history):
    moved = ROUTE.model_copy(update={"owner": owned_by(OTHER_STATION)})
    incident.given(*history).when(moved).then(ROUTED)


def test_an_accepted_incident_is_routed_without_a_deadline_to_accept():
    incident.given(OPENED, ACCEPTED).when(ROUTE).then(ROUTED.model_copy(update={"accept_by": None}))


@pytest.mark.parametrize("phase", [IncidentPhase.CLOSED, IncidentPhase.DISMISSED, IncidentPhase.RESOLVED])
def test_routing_that_comes_too_late_says_nothing(phase):
    incident.given(*LIFE[phase]).when(ROUTE).then_nothing()


def test_an_exercise_asks_nobody_to_act():
    incident.given(EXERCISE).when(ROUTE).then_refused("incident.not_actual", status="exercise")


def test_an_exercise_informs():
    informed = (recipient("traffic_police", AgencyRole.INFORMED),)
    incident.given(EXERCISE).when(ROUTE.model_copy(update={"recipients": informed})).then(
        ROUTED.model_copy(update={"recipients": informed})
    )


@pytest.mark.parametrize("status", [status for status in MessageStatus if status is not MessageStatus.ACTUAL])
def test_nobody_is_sent_to_what_is_not_actual(status):
    refusal = dispatch_refusal(incident.state([OPENED.model_copy(update={"status": status})]))
    assert refusal is not None
    assert refusal.code == "incident.not_actual"


@pytest.mark.parametrize(
    ("phase", "code"),
    [
        (IncidentPhase.OPEN, None),
        (IncidentPhase.VERIFIED, None),
        (IncidentPhase.ACCEPTED, None),
        (IncidentPhase.RESOLVED, "incident.already_resolved"),
        (IncidentPhase.CLOSED, "incident.already_closed"),
        (IncidentPhase.DISMISSED, "incident.already_dismissed"),
        (IncidentPhase.MERGED, "incident.merged"),
    ],
)
def test_somebody_is_sent_only_to_a_live_incident(phase, code):
    refusal = dispatch_refusal(incident.state(LIFE[phase]))
    assert (refusal.code if refusal else None) == code


def test_the_owner_accepts():
    incident.given(OPENED).when(ask.AcceptIncident(center_id=STATION)).then(ACCEPTED)


def test_accepting_twice_says_nothing():
    incident.given(OPENED, ACCEPTED).when(ask.AcceptIncident(center_id=STATION)).then_nothing()


def test_another_center_cannot_accept_what_is_not_its_own():
    incident.given(OPENED).when(ask.AcceptIncident(center_id=OTHER_STATION)).then_refused(
        "incident.not_owner", owner_center_id=str(STATION)
    )


def test_an_operator_claims_it():
    incident.given(OPENED).when(ask.ClaimIncident(operator_id=ALICE)).then(CLAIMED)


def test_claiming_what_one_has_says_nothing():
    incident.given(OPENED, CLAIMED).when(ask.ClaimIncident(operator_id=ALICE)).then_nothing()


def test_a_claim_is_no_lock():
    incident.given(OPENED, CLAIMED).when(ask.ClaimIncident(operator_id=BOB)).then(fact.IncidentClaimed(operator_id=BOB))


def test_a_claim_is_given_up_by_who_has_it():
    incident.given(OPENED, CLAIMED).when(ask.ReleaseClaim(operator_id=ALICE)).then(
        fact.ClaimReleased(operator_id=ALICE)
    )


def test_nobody_gives_up_the_claim_of_another():
    incident.given(OPENED, CLAIMED).when(ask.ReleaseClaim(operator_id=BOB)).then_refused(
        "incident.claimed_by_another", claimed_by=str(ALICE)
    )


def test_no_claim_no_release():
    incident.given(OPENED).when(ask.ReleaseClaim(operator_id=ALICE)).then_nothing()


def test_a_missed_acceptance_is_escalated_with_how_late_it_was_noticed():
    incident.given(OPENED, ROUTED).when(ESCALATE).then(
        fact.IncidentEscalated(level=1, deadline="accept", to=ESCALATE.to, due_at=NOON, late_s=2.0, explanation=WHY)
    )


def test_an_answer_that_came_too_late_leaves_the_deadline_missed_and_nothing_goes_on():
    missed = fact.IncidentEscalated(
        level=1, deadline="accept", to=ESCALATE.to, due_at=NOON, late_s=2.0, explanation=WHY
    )
    for later in ((ACCEPTED,), (ACCEPTED, RESOLVED, CLOSED), (MERGED,)):
        incident.given(OPENED, ROUTED, *later).when(ANSWERED_LATE).then(missed)
    incident.given(OPENED, ROUTED, missed, ACCEPTED).when(ANSWERED_LATE).then_nothing()


def test_an_answer_in_time_leaves_nothing_to_record():
    in_time = ANSWERED_LATE.model_copy(update={"answered_at": NOON})
    incident.given(OPENED, ROUTED, ACCEPTED).when(in_time).then_nothing()


def test_a_merged_incident_owes_no_acceptance_and_its_crews_owe_their_answer():
    incident.given(OPENED, ROUTED, MERGED).when(ESCALATE).then_nothing()
    crew = ESCALATE.model_copy(update={"deadline": "acknowledge", "assignment_id": ALICE})
    assert len(incident.decide(crew, (OPENED, ROUTED, MERGED))) == 1


def test_the_same_missed_deadline_is_escalated_once():
    escalated = incident.decide(ESCALATE, (OPENED, ROUTED))
    incident.given(OPENED, ROUTED, *escalated).when(ESCALATE).then_nothing()


def test_the_next_level_and_a_new_deadline_are_escalated_again():
    escalated = incident.decide(ESCALATE, (OPENED, ROUTED))
    for command in (
        ESCALATE.model_copy(update={"level": 2, "to": owned_by(CITY)}),
        ESCALATE.model_copy(update={"due_at": NOON + timedelta(seconds=1)}),
    ):
        assert len(incident.decide(command, (OPENED, ROUTED, *escalated))) == 1


def test_an_acceptance_that_came_meanwhile_is_not_escalated():
    incident.given(OPENED, ROUTED, ACCEPTED).when(ESCALATE).then_nothing()


def test_a_missed_acknowledgement_is_escalated_after_acceptance_too():
    command = ESCALATE.model_copy(update={"deadline": "acknowledge", "assignment_id": ALICE})
    assert len(incident.decide(command, (OPENED, ACCEPTED))) == 1


def test_no_deadline_is_missed_before_its_time():
    early = ESCALATE.model_copy(update={"noticed_at": NOON - timedelta(seconds=1)})
    incident.given(OPENED, ROUTED).when(early).then_refused("incident.deadline_not_missed")


def test_an_agency_that_was_told_takes_its_part():
    command = ask.AcceptForAgency(agency="traffic_police", reference="TP-9")
    incident.given(OPENED, ROUTED).when(command).then(fact.AgencyAccepted(agency="traffic_police", reference="TP-9"))


def test_an_agency_says_once_that_it_takes_part():
    said = fact.AgencyAccepted(agency="traffic_police")
    incident.given(OPENED, ROUTED, said).when(ask.AcceptForAgency(agency="traffic_police")).then_nothing()


def test_an_agency_may_change_its_mind():
    said = fact.AgencyAccepted(agency="traffic_police")
    command = ask.DeclineForAgency(agency="traffic_police", reason="outside our area")
    incident.given(OPENED, ROUTED, said).when(command).then(
        fact.AgencyDeclined(agency="traffic_police", reason="outside our area")
    )


def test_an_agency_that_was_never_told_cannot_answer():
    incident.given(OPENED, ROUTED).when(ask.AcceptForAgency(agency="fire")).then_refused(
        "incident.agency_not_involved", agency="fire"
    )


def test_an_agency_that_a_later_routing_left_out_may_still_answer():
    rerouted = ROUTED.model_copy(update={"recipients": (recipient("police"),)})
    command = ask.DeclineForAgency(agency="traffic_police", reason="not ours")
    assert len(incident.decide(command, (OPENED, ROUTED, rerouted))) == 1


def test_an_accepted_incident_is_resolved():
    incident.given(OPENED, ACCEPTED).when(ask.ResolveIncident(disposition=Disposition.HANDLED)).then(RESOLVED)


def test_nobody_resolves_what_nobody_accepted():
    incident.given(OPENED).when(ask.ResolveIncident(disposition=Disposition.HANDLED)).then_refused(
        "incident.not_accepted", phase="open"
    )


def test_a_resolved_incident_is_closed():
    incident.given(*LIFE[IncidentPhase.RESOLVED]).when(ask.CloseIncident()).then(CLOSED)


def test_an_incident_is_resolved_before_it_is_closed():
    incident.given(OPENED, ACCEPTED).when(ask.CloseIncident()).then_refused("incident.not_resolved")


def test_a_closed_incident_is_closed():
    incident.given(*LIFE[IncidentPhase.CLOSED]).when(ask.CloseIncident()).then_refused("incident.already_closed")


@pytest.mark.parametrize("phase", [IncidentPhase.RESOLVED, IncidentPhase.CLOSED, IncidentPhase.DISMISSED])
def test_what_ended_can_be_reopened_and_its_last_owner_has_it(phase):
    before = incident.state(LIFE[phase])
    incident.given(*LIFE[phase]).when(ask.ReopenIncident(reason="it came back")).then(REOPENED)
    after = incident.state([*LIFE[phase], REOPENED])
    assert after == replace(before, phase=IncidentPhase.OPEN, settled=True, reopenings=before.reopenings + 1)


def test_what_has_not_ended_need_not_reopen():
    incident.given(OPENED).when(ask.ReopenIncident(reason="?")).then_refused("incident.not_ended")
