"""An operation is planned, goes on, ends; its checkpoints are passed once, its points keep their kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.event import GeoPoint, Place
from domain.operation import commands as ask
from domain.operation import events as fact
from domain.operation.decider import INCIDENTS_MAX, INITIAL, OperationPhase, decide, evolve, visible_to
from domain.policies.labels import reason_for
from domain.refusals import Refusal
from domain.vocabulary import PointKind, PointStatus
from tests.domain.deciding import Decider

operation = Decider(decide, evolve, INITIAL)

BEGINS = datetime(2026, 8, 5, 8, 0, tzinfo=UTC)
CITY, OWNER, MEMBER, STRANGER = (UUID(int=number) for number in range(1, 5))
CAMERA, CHECKPOINT, POINT = UUID(int=5), UUID(int=6), UUID(int=7)
INCIDENT = UUID(int=8)
HERE = GeoPoint(lon=104.06, lat=30.65)
PLANNED = fact.OperationPlanned(
    city="chengdu",
    code="relay",
    name_zh="火炬传递",
    name_en="Relay",
    purpose="seamless cameras",
    center_id=OWNER,
    path=(CITY, OWNER),
    begins_at=BEGINS,
    ends_at=BEGINS + timedelta(hours=4),
)
PLAN = ask.PlanOperation(operation=PLANNED)
JOINED, STARTED, ENDED = fact.MemberAdded(center_id=MEMBER), fact.OperationStarted(), fact.OperationEnded()
CHECKPOINT_SET = fact.CheckpointSet(checkpoint_id=CHECKPOINT, label="square", location=HERE, planned_at=BEGINS)
SET_CHECKPOINT = ask.SetCheckpoint(**CHECKPOINT_SET.model_dump())
PASS = ask.PassCheckpoint(checkpoint_id=CHECKPOINT, passed_at=BEGINS + timedelta(minutes=2))
PASSED = fact.CheckpointPassed(checkpoint_id=CHECKPOINT, late_s=120.0)
ASSIGN = ask.AssignCamera(camera_id=CAMERA, center_id=MEMBER)
ASSIGNED = fact.CameraAssigned(camera_id=CAMERA, center_id=MEMBER)
REPORTED = fact.PointReported(
    point_id=POINT, kind=PointKind.BREACH, status=PointStatus.ACTIVE, place=Place(point=HERE), text="it leaks"
)


def test_an_operation_is_planned_once():
    operation.given().when(PLAN).then(PLANNED)
    operation.given(PLANNED).when(PLAN).then_nothing()
    other = ask.PlanOperation(operation=PLANNED.model_copy(update={"restricted": True}))
    operation.given(PLANNED).when(other).then_refused("operation.code_taken", operation="relay")


def test_incidents_belong_to_a_restricted_one_also_after_its_end():
    quiet = PLANNED.model_copy(update={"restricted": True})
    attach, attached = ask.AttachIncident(incident_id=INCIDENT), fact.IncidentAttached(incident_id=INCIDENT)
    operation.given(quiet).when(attach).then(attached)
    operation.given(quiet, ENDED).when(attach).then(attached)
    operation.given(quiet, attached).when(attach).then_nothing()
    operation.given(PLANNED).when(attach).then_refused("operation.not_restricted")
    detach, detached = ask.DetachIncident(incident_id=INCIDENT), fact.IncidentDetached(incident_id=INCIDENT)
    operation.given(quiet, attached, ENDED).when(detach).then(detached)
    operation.given(quiet, attached, detached).when(detach).then_nothing()


def test_it_has_no_more_incidents_than_can_be_told_at_once():
    quiet = PLANNED.model_copy(update={"restricted": True})
    many = [fact.IncidentAttached(incident_id=UUID(int=1_000 + number)) for number in range(INCIDENTS_MAX)]
    operation.given(quiet, *many).when(ask.AttachIncident(incident_id=INCIDENT)).then_refused("operation.too_many")


def test_it_ends_after_it_begins():
    backwards = ask.PlanOperation(operation=PLANNED.model_copy(update={"ends_at": BEGINS}))
    operation.given().when(backwards).then_refused("operation.no_period")


def test_nothing_is_done_about_one_that_was_never_planned():
    for command in (ask.StartOperation(), PASS, ASSIGN, ask.ReportPoint(point=REPORTED)):
        operation.given().when(command).then_refused("operation.unknown")


def test_a_center_takes_part_once_and_the_owner_always():
    operation.given(PLANNED).when(ask.AddMember(center_id=MEMBER)).then(JOINED)
    operation.given(PLANNED, JOINED).when(ask.AddMember(center_id=MEMBER)).then_nothing()
    operation.given(PLANNED).when(ask.AddMember(center_id=CITY)).then_nothing()
    operation.given(PLANNED, JOINED).when(ask.RemoveMember(center_id=MEMBER)).then(fact.MemberRemoved(center_id=MEMBER))
    operation.given(PLANNED).when(ask.RemoveMember(center_id=MEMBER)).then_nothing()


def test_a_checkpoint_is_set_again_until_it_is_passed():
    operation.given(PLANNED).when(SET_CHECKPOINT).then(CHECKPOINT_SET)
    operation.given(PLANNED, CHECKPOINT_SET).when(SET_CHECKPOINT).then_nothing()
    moved = SET_CHECKPOINT.model_copy(update={"label": "bridge"})
    operation.given(PLANNED, CHECKPOINT_SET).when(moved).then(CHECKPOINT_SET.model_copy(update={"label": "bridge"}))
    operation.given(PLANNED, CHECKPOINT_SET, STARTED, PASSED).when(moved).then_refused("operation.checkpoint_passed")


def test_a_checkpoint_is_passed_once_while_it_goes_on_and_says_how_late():
    operation.given(PLANNED, CHECKPOINT_SET).when(PASS).then_refused("operation.not_under_way")
    operation.given(PLANNED, STARTED).when(PASS).then_refused("operation.checkpoint_unknown")
    operation.given(PLANNED, CHECKPOINT_SET, STARTED).when(PASS).then(PASSED)
    operation.given(PLANNED, CHECKPOINT_SET, STARTED, PASSED).when(PASS).then_nothing()
    early = PASS.model_copy(update={"passed_at": BEGINS - timedelta(seconds=30)})
    operation.given(PLANNED, CHECKPOINT_SET, STARTED).when(early).then(PASSED.model_copy(update={"late_s": -30.0}))


def test_a_camera_is_watched_by_who_takes_part():
    operation.given(PLANNED).when(ASSIGN).then_refused("operation.not_a_member", center_id=str(MEMBER))
    operation.given(PLANNED, JOINED).when(ASSIGN).then(ASSIGNED)
    operation.given(PLANNED, JOINED, ASSIGNED).when(ASSIGN).then_nothing()
    release = ask.ReleaseCamera(camera_id=CAMERA)
    operation.given(PLANNED, JOINED, ASSIGNED, ENDED).when(release).then(fact.CameraReleased(camera_id=CAMERA))
    operation.given(PLANNED).when(release).then_nothing()


def test_a_point_is_reported_again_and_stays_what_it_is():
    report = ask.ReportPoint(point=REPORTED)
    operation.given(PLANNED).when(report).then(REPORTED)
    operation.given(PLANNED, REPORTED).when(report).then_nothing()
    worse = REPORTED.model_copy(update={"text": "it leaks more"})
    operation.given(PLANNED, REPORTED).when(ask.ReportPoint(point=worse)).then(worse)
    other = REPORTED.model_copy(update={"kind": PointKind.SHELTER})
    operation.given(PLANNED, REPORTED).when(ask.ReportPoint(point=other)).then_refused(
        "operation.point_is_another", kind="breach"
    )


def test_situation_reports_are_numbered():
    first = fact.SituationReported(number=1, text="water falls")
    operation.given(PLANNED).when(ask.ReportSituation(text="water falls")).then(first)
    operation.given(PLANNED, first).when(ask.ReportSituation(text="over")).then(
        fact.SituationReported(number=2, text="over")
    )


def test_it_starts_and_ends_once_and_nothing_follows():
    operation.given(PLANNED).when(ask.StartOperation()).then(STARTED)
    operation.given(PLANNED, STARTED).when(ask.StartOperation()).then_nothing()
    operation.given(PLANNED, STARTED).when(ask.EndOperation()).then(ENDED)
    operation.given(PLANNED, ENDED).when(ask.EndOperation()).then_nothing()
    for command in (ask.StartOperation(), ask.AddMember(center_id=MEMBER), ask.ReportPoint(point=REPORTED)):
        operation.given(PLANNED, ENDED).when(command).then_refused("operation.over")


COMMANDS = st.one_of(
    st.just(ask.StartOperation()),
    st.just(ask.EndOperation()),
    st.just(PASS),
    st.just(SET_CHECKPOINT),
    st.sampled_from([ask.AddMember(center_id=one) for one in (MEMBER, STRANGER)]),
    st.sampled_from([ask.RemoveMember(center_id=one) for one in (MEMBER, STRANGER)]),
    st.sampled_from([ask.AssignCamera(camera_id=CAMERA, center_id=one) for one in (MEMBER, STRANGER, OWNER)]),
    st.just(ask.ReleaseCamera(camera_id=CAMERA)),
    st.just(ask.ReportPoint(point=REPORTED)),
    st.just(ask.ReportSituation(text="so it stands")),
)


@given(st.lists(COMMANDS, max_size=40))
def test_whatever_is_asked_in_whatever_order(commands: list[ask.OperationCommand]) -> None:
    facts: list[object] = [PLANNED]
    for command in commands:
        decided = operation.decide(command, facts)  # type: ignore[arg-type]
        if not isinstance(decided, Refusal):
            facts += decided
    state = operation.state(facts)  # type: ignore[arg-type]
    assert {CITY, OWNER} <= visible_to(state)
    assert sum(isinstance(one, fact.CheckpointPassed) for one in facts) <= 1
    numbers = [one.number for one in facts if isinstance(one, fact.SituationReported)]
    assert all(after == before + 1 for before, after in pairwise(numbers))
    if state.phase is OperationPhase.ENDED:
        over = next(at for at, one in enumerate(facts) if isinstance(one, fact.OperationEnded))
        assert all(
            isinstance(one, fact.CameraReleased | fact.IncidentAttached | fact.IncidentDetached)
            for one in facts[over + 1 :]
        )


QUIET = PLANNED.model_copy(update={"restricted": True})
SQUARE = ((104.0, 30.6), (104.1, 30.6), (104.1, 30.7), (104.0, 30.7), (104.0, 30.6))
LABELS = fact.LabelsSet(
    camera_ids=(CAMERA,), area=(SQUARE,), begins_at=BEGINS, ends_at=BEGINS + timedelta(hours=4), reason="a guest"
)
NOTHING = LABELS.model_copy(update={"camera_ids": (), "area": ()})


def test_a_restricted_one_says_what_is_its_from_the_first_moment_and_takes_it_back():
    operation.given(QUIET).when(ask.SetLabels(labels=LABELS)).then(LABELS)
    operation.given(QUIET, LABELS).when(ask.SetLabels(labels=LABELS)).then_nothing()
    operation.given(QUIET, LABELS).when(ask.SetLabels(labels=NOTHING)).then(NOTHING)
    operation.given(QUIET).when(ask.SetLabels(labels=NOTHING)).then_nothing()
    operation.given(PLANNED).when(ask.SetLabels(labels=LABELS)).then_refused("operation.not_restricted")
    backwards = LABELS.model_copy(update={"ends_at": BEGINS})
    operation.given(QUIET).when(ask.SetLabels(labels=backwards)).then_refused("operation.no_period")
    operation.given(QUIET, ENDED).when(ask.SetLabels(labels=LABELS)).then_refused("operation.over")


@pytest.mark.parametrize(
    ("camera_id", "lon", "minutes", "code"),
    [
        (CAMERA, 105.0, 0, "label.by_camera"),
        (CAMERA, None, 239, "label.by_camera"),
        (None, 104.05, 1, "label.by_area"),
        (None, 104.11, 1, None),
        (None, 103.99, 1, None),
        (None, None, 1, None),
        (CHECKPOINT, 105.0, 1, None),
        (CAMERA, 104.05, 240, None),
        (CAMERA, 104.05, -1, None),
    ],
)
def test_it_is_its_by_camera_or_place_within_the_time(camera_id, lon, minutes, code):
    point = None if lon is None else GeoPoint(lon=lon, lat=30.65)
    reason = reason_for(LABELS, camera_id=camera_id, point=point, at=BEGINS + timedelta(minutes=minutes))
    assert (None if reason is None else reason.code) == code
