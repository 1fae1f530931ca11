"""What holds for an incident at every position, whatever anybody asks in whatever order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Event, GeoPoint, Place
from domain.incident import commands as ask
from domain.incident import events as fact
from domain.incident.admission import ADMITTED
from domain.incident.decider import INITIAL, IncidentState, decide, evolve
from domain.refusals import Refusal
from domain.vocabulary import (
    AgencyRole,
    DismissReason,
    Disposition,
    IncidentPhase,
    MessageStatus,
    Severity,
)
from tests.domain.incident_story import (
    ALICE,
    BOB,
    CITY,
    DISTRICT,
    GUEST,
    HEAD,
    MERGE,
    NOON,
    OPEN,
    OPERATION,
    OTHER_OPERATION,
    OTHER_STATION,
    OTHER_TRANSFER,
    STATION,
    TRANSFER,
    WHY,
    owned_by,
    recipient,
)

centers = st.sampled_from([CITY, DISTRICT, STATION, OTHER_STATION])
owners = centers.map(owned_by)
operators = st.sampled_from([ALICE, BOB])
transfers = st.sampled_from([TRANSFER, OTHER_TRANSFER])
merges = st.sampled_from([MERGE, TRANSFER])
operations = st.sampled_from([OPERATION, OTHER_OPERATION])
known = st.lists(centers, min_size=1, max_size=4).map(tuple)
agencies = st.sampled_from(["police", "traffic_police", "fire"])
instants = st.integers(-10, 10).map(lambda minutes: NOON + timedelta(minutes=minutes))
severities = st.sampled_from(Severity)
priorities = st.integers(0, 10)
places = st.sampled_from([Place(address="the old bridge"), Place(point=GeoPoint(lon=104.0, lat=30.6))])
recipients = st.lists(st.builds(recipient, agencies, st.sampled_from(AgencyRole)), max_size=3).map(tuple)

BY_TYPE: dict[type[Any], st.SearchStrategy[Any]] = {
    ask.OpenIncident: st.builds(
        lambda severity, status: OPEN.model_copy(update={"severity": severity, "status": status}),
        severities,
        st.sampled_from(MessageStatus),
    ),
    ask.VerifyIncident: st.just(ask.VerifyIncident()),
    ask.DismissIncident: st.builds(ask.DismissIncident, reason=st.sampled_from(DismissReason)),
    ask.ClassifyIncident: st.builds(
        ask.ClassifyIncident, category=st.just("fire.alarm"), severity=severities, priority=priorities
    ),
    ask.RaiseSeverity: st.builds(
        ask.RaiseSeverity, severity=severities, priority=priorities, alert_position=st.integers(1, 99)
    ),
    ask.RaiseAlarm: st.builds(
        lambda level: ask.RaiseAlarm(level=level, plan="fire", wanted=(), reason="it spreads"), st.integers(1, 4)
    ),
    ask.LowerAlarm: st.builds(
        lambda level: ask.LowerAlarm(level=level, plan="fire", wanted=(), reason="under control"), st.integers(1, 4)
    ),
    ask.RelocateIncident: st.builds(ask.RelocateIncident, place=places),
    ask.RouteIncident: st.builds(
        ask.RouteIncident,
        owner=owners,
        recipients=recipients,
        accept_by=st.none() | instants,
        explanation=st.just(WHY),
    ),
    ask.AcceptIncident: st.builds(ask.AcceptIncident, center_id=centers),
    ask.ClaimIncident: st.builds(ask.ClaimIncident, operator_id=operators),
    ask.ReleaseClaim: st.builds(ask.ReleaseClaim, operator_id=operators),
    ask.OfferTransfer: st.builds(
        ask.OfferTransfer,
        transfer_id=transfers,
        from_center_id=centers,
        to=owners,
        reason=st.just("nearer"),
        offered_at=instants,
        expires_at=instants,
    ),
    ask.MoveIncident: st.builds(
        ask.MoveIncident,
        transfer_id=transfers,
        to=owners,
        reason=st.just("the river"),
        moved_at=instants,
        is_taken=st.booleans(),
    ),
    ask.AcceptTransfer: st.builds(ask.AcceptTransfer, transfer_id=transfers, center_id=centers),
    ask.DeclineTransfer: st.builds(
        ask.DeclineTransfer, transfer_id=transfers, center_id=centers, reason=st.just("busy")
    ),
    ask.TimeOutTransfer: st.builds(ask.TimeOutTransfer, transfer_id=transfers, noticed_at=instants),
    ask.EscalateIncident: st.builds(
        ask.EscalateIncident,
        level=st.integers(1, 3),
        deadline=st.sampled_from(["accept", "acknowledge"]),
        to=owners,
        due_at=instants,
        noticed_at=instants,
        explanation=st.just(WHY),
    ),
    ask.RecordLateAnswer: st.builds(
        ask.RecordLateAnswer,
        level=st.integers(1, 3),
        deadline=st.sampled_from(["accept", "acknowledge"]),
        to=owners,
        due_at=instants,
        answered_at=instants,
        noticed_at=instants,
        explanation=st.just(WHY),
    ),
    ask.AcceptForAgency: st.builds(ask.AcceptForAgency, agency=agencies),
    ask.DeclineForAgency: st.builds(ask.DeclineForAgency, agency=agencies, reason=st.just("not ours")),
    ask.ResolveIncident: st.builds(ask.ResolveIncident, disposition=st.sampled_from(Disposition)),
    ask.CloseIncident: st.just(ask.CloseIncident()),
    ask.ReopenIncident: st.just(ask.ReopenIncident(reason="again")),
    ask.MergeIncident: st.builds(
        ask.MergeIncident,
        merge_id=merges,
        into_incident_id=st.just(HEAD),
        into_version=st.integers(1, 9),
        into_severity=severities,
        into_status=st.sampled_from(MessageStatus),
    ),
    ask.AbsorbIncident: st.builds(
        ask.AbsorbIncident, merge_id=merges, incident_id=st.just(GUEST), incident_version=st.integers(1, 9)
    ),
    ask.UnmergeIncident: st.builds(ask.UnmergeIncident, merge_id=merges),
    ask.ReleaseIncident: st.builds(ask.ReleaseIncident, merge_id=merges, incident_id=st.just(GUEST)),
    ask.RestrictIncident: st.builds(
        ask.RestrictIncident, operation_id=operations, center_ids=known, reason=st.just("guarded")
    ),
    ask.ChangeClearance: st.builds(ask.ChangeClearance, operation_id=operations, center_ids=known),
    ask.LiftRestriction: st.builds(ask.LiftRestriction, operation_id=operations, reason=st.just("over")),
}
MOVES = (
    ask.OfferTransfer,
    ask.AcceptTransfer,
    ask.RouteIncident,
    ask.RaiseSeverity,
    ask.AcceptIncident,
    ask.RestrictIncident,
)
"""What the invariants are about, asked more often than the rest."""
asked = st.one_of(*BY_TYPE.values(), *(BY_TYPE[command] for command in MOVES * 3))
stories = st.lists(st.tuples(asked, st.sampled_from([True, True, True, False])), min_size=12, max_size=40).map(
    lambda told: [(OPEN, False), *told]
)
"""Commands, each either as drawn or by somebody who read the incident first (`honest`)."""
Step = tuple[IncidentState, Event, IncidentState]


def honest(command: Any, state: IncidentState) -> Any:
    """The same command with the names that the incident really has, so that stories get somewhere."""
    match command:
        case ask.OfferTransfer() if state.owner is not None:
            expires_at = command.offered_at + timedelta(minutes=5)
            return command.model_copy(update={"from_center_id": state.owner.center_id, "expires_at": expires_at})
        case ask.AcceptTransfer() | ask.DeclineTransfer() if state.offer is not None:
            named = {"transfer_id": state.offer.transfer_id, "center_id": state.offer.to.center_id}
            return command.model_copy(update=named)
        case ask.AcceptIncident() if state.owner is not None:
            return command.model_copy(update={"center_id": state.owner.center_id})
        case ask.MergeIncident():
            return command.model_copy(update={"into_severity": state.severity, "into_status": state.status})
        case ask.UnmergeIncident() if state.merge is not None:
            return command.model_copy(update={"merge_id": state.merge.merge_id})
        case ask.OpenIncident():
            return ask.UnmergeIncident(merge_id=state.merge.merge_id) if state.merge else ask.VerifyIncident()
        case _:
            return command


def steps(story: list[tuple[Any, bool]]) -> list[Step]:
    """Every fact of a story with the state before and after it."""
    state, told = INITIAL, []
    for drawn, informed in story:
        command = honest(drawn, state) if informed else drawn
        decided = decide(command, state)
        if isinstance(decided, Refusal):
            continue
        for event in decided:
            after = evolve(state, event)
            told.append((state, event, after))
            state = after
    return told


def test_every_command_is_tried():
    assert set(BY_TYPE) == {ask.OpenIncident, *ADMITTED}


@settings(max_examples=100)
@given(stories)
def test_the_decider_is_total_and_a_no_names_itself(story):
    state = INITIAL
    for command, _ in story:
        decided = decide(command, state)
        if isinstance(decided, Refusal):
            assert decided.code.startswith("incident.")
            assert decided.detail.endswith((".", "?"))
            continue
        for event in decided:
            state = evolve(state, event)


def there_is_one_owner_and_only_a_transfer_moves_what_was_taken(step: Step) -> None:
    before, event, after = step
    assert after.owner is not None
    if before.owner is None or before.owner == after.owner:
        return
    routed_before_anybody_took_it = isinstance(event, fact.IncidentRouted) and not before.settled and not before.offer
    assert routed_before_anybody_took_it or isinstance(event, fact.TransferAccepted)


def the_giver_owns_it_as_long_as_an_offer_is_open(step: Step) -> None:
    _, _, after = step
    if after.offer is not None and after.phase is not None:
        assert after.owner is not None
        assert after.offer.from_center_id == after.owner.center_id != after.offer.to.center_id


def severity_falls_by_nothing_but_a_persons_classification(step: Step) -> None:
    before, event, after = step
    if before.phase is not None and after.severity < before.severity:
        assert isinstance(event, fact.IncidentClassified)
    if isinstance(event, fact.SeverityRaised):
        assert event.from_severity == before.severity < event.to_severity == after.severity
        assert after.priority <= before.priority


@settings(max_examples=100)
@given(stories, severities, priorities)
def test_a_rise_is_recorded_or_refused_aloud_and_never_swallowed(story, severity, priority):
    told = steps(story)
    state = told[-1][2]
    decided = decide(ask.RaiseSeverity(severity=severity, priority=priority, alert_position=1), state)
    if severity > state.severity:
        assert decided != ()


def an_exercise_never_asks_anybody_to_act(step: Step) -> None:
    before, event, _ = step
    if isinstance(event, fact.IncidentRouted) and before.status is not MessageStatus.ACTUAL:
        assert all(recipient.role is AgencyRole.INFORMED for recipient in event.recipients)


def an_undone_merge_gives_back_exactly_the_state_there_was(step: Step) -> None:
    before, event, after = step
    match event:
        case fact.IncidentMerged():
            undone = evolve(
                after,
                fact.IncidentUnmerged(merge_id=event.merge_id, from_incident_id=event.into_incident_id),
            )
            assert undone == before
        case fact.IncidentAbsorbed():
            undone = evolve(after, fact.IncidentReleased(merge_id=event.merge_id, incident_id=event.incident_id))
            assert undone == before
        case _:
            pass
    assert (after.phase is IncidentPhase.MERGED) == (after.merge is not None)


def phases_follow_one_another_as_the_table_says(step: Step) -> None:
    before, event, after = step
    if isinstance(event, fact.IncidentVerified | fact.IncidentAccepted):
        assert before.phase is not after.phase or isinstance(event, fact.IncidentAccepted)
    if isinstance(event, fact.IncidentClosed):
        assert before.phase is IncidentPhase.RESOLVED
    if isinstance(event, fact.IncidentResolved):
        assert before.phase is IncidentPhase.ACCEPTED


def who_must_act_may_know(step: Step) -> None:
    _, _, after = step
    assert after.owner is None or after.knows(after.owner.center_id)


@settings(max_examples=50)
@given(stories)
def test_the_same_story_gives_the_same_facts(story):
    assert steps(story) == steps(story)


INVARIANTS = (
    there_is_one_owner_and_only_a_transfer_moves_what_was_taken,
    the_giver_owns_it_as_long_as_an_offer_is_open,
    severity_falls_by_nothing_but_a_persons_classification,
    an_exercise_never_asks_anybody_to_act,
    an_undone_merge_gives_back_exactly_the_state_there_was,
    phases_follow_one_another_as_the_table_says,
    who_must_act_may_know,
)


@settings(max_examples=250)
@given(stories)
def test_every_position_of_every_story_keeps_the_invariants(story):
    for step in steps(story):
        for invariant in INVARIANTS:
            invariant(step)
