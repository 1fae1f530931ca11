"""A merge is a pointer; undoing it is exact."""

from __future__ import annotations

import pytest

from domain.incident import commands as ask
from domain.incident import events as fact
from domain.vocabulary import IncidentPhase, MessageStatus, Severity
from tests.domain.incident_story import (
    ABSORBED,
    CLAIMED,
    EXERCISE,
    GUEST,
    HEAD,
    LIFE,
    MERGE,
    MERGE_HERE,
    MERGED,
    OPENED,
    OTHER_TRANSFER,
    incident,
)

UNMERGED = fact.IncidentUnmerged(merge_id=MERGE, from_incident_id=HEAD)


def test_an_incident_points_to_its_head():
    incident.given(OPENED).when(MERGE_HERE).then(MERGED)


def test_the_head_knows_whom_it_absorbed():
    command = ask.AbsorbIncident(merge_id=MERGE, incident_id=GUEST, incident_version=2)
    incident.given(OPENED).when(command).then(ABSORBED)


def test_a_merged_incident_is_decided_on_its_head():
    incident.given(OPENED, MERGED).when(ask.VerifyIncident()).then_refused(
        "incident.merged", into_incident_id=str(HEAD)
    )


def test_a_merge_may_not_hide_a_worse_severity():
    milder = MERGE_HERE.model_copy(update={"into_severity": Severity.MINOR})
    incident.given(OPENED).when(milder).then_refused("incident.merge_hides_severity", into_severity="minor")


def test_a_merge_may_not_hide_a_real_incident_in_an_exercise():
    unreal = MERGE_HERE.model_copy(update={"into_status": MessageStatus.EXERCISE})
    incident.given(OPENED).when(unreal).then_refused("incident.merge_hides_actual")


def test_an_exercise_may_be_merged_into_an_exercise():
    unreal = MERGE_HERE.model_copy(update={"into_status": MessageStatus.EXERCISE})
    incident.given(EXERCISE).when(unreal).then(MERGED)


@pytest.mark.parametrize(
    "phase", [IncidentPhase.OPEN, IncidentPhase.VERIFIED, IncidentPhase.ACCEPTED, IncidentPhase.RESOLVED]
)
def test_an_unmerged_incident_is_exactly_what_it_was(phase):
    before = incident.state([*LIFE[phase], CLAIMED])
    history = [*LIFE[phase], CLAIMED, MERGED]
    incident.given(*history).when(ask.UnmergeIncident(merge_id=MERGE)).then(UNMERGED)
    assert incident.state([*history, UNMERGED]) == before


def test_the_former_head_is_exactly_what_it_was():
    released = fact.IncidentReleased(merge_id=MERGE, incident_id=GUEST)
    incident.given(OPENED, ABSORBED).when(ask.ReleaseIncident(merge_id=MERGE, incident_id=GUEST)).then(released)
    assert incident.state([OPENED, ABSORBED, released]) == incident.state([OPENED])


def test_a_head_lets_go_even_when_it_was_closed_meanwhile():
    command = ask.ReleaseIncident(merge_id=MERGE, incident_id=GUEST)
    assert len(incident.decide(command, (OPENED, ABSORBED, *LIFE[IncidentPhase.CLOSED][1:]))) == 1


def test_only_the_merge_that_was_made_is_undone():
    incident.given(OPENED, MERGED).when(ask.UnmergeIncident(merge_id=OTHER_TRANSFER)).then_refused(
        "incident.not_merged"
    )
    incident.given(OPENED, ABSORBED).when(ask.ReleaseIncident(merge_id=OTHER_TRANSFER, incident_id=GUEST)).then_refused(
        "incident.not_absorbed"
    )


def test_what_is_not_merged_has_no_merge_to_undo():
    incident.given(OPENED).when(ask.UnmergeIncident(merge_id=MERGE)).then_refused("incident.not_merged")


@pytest.mark.parametrize(
    ("phase", "code"),
    [
        (IncidentPhase.CLOSED, "incident.already_closed"),
        (IncidentPhase.DISMISSED, "incident.already_dismissed"),
        (IncidentPhase.RESOLVED, "incident.already_resolved"),
        (IncidentPhase.MERGED, "incident.merged"),
    ],
)
def test_only_a_live_incident_can_be_a_head(phase, code):
    command = ask.AbsorbIncident(merge_id=OTHER_TRANSFER, incident_id=GUEST, incident_version=2)
    incident.given(*LIFE[phase]).when(command).then_refused(code)


def test_an_agency_still_answers_the_incident_it_was_told_of():
    told = fact.AgencyAccepted(agency="police")
    state = incident.state([OPENED, MERGED, told])
    assert state.answers == {"police": "accepted"}
