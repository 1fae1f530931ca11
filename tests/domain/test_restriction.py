"""An incident of a restricted operation: whoever must act may know of it, and nobody hands it out of the circle."""

from __future__ import annotations

from domain.incident import commands as ask
from domain.incident import events as fact
from domain.incident.restriction_events import ClearanceChanged, RestrictionLifted
from domain.policies.escalation import ACKNOWLEDGE, Due, _told
from tests.domain.incident_story import (
    ACCEPTED,
    CITY,
    DISTRICT,
    GUEST,
    HERE,
    MERGE_HERE,
    NOON,
    OFFER,
    OFFERED,
    OPENED,
    OPERATION,
    OTHER_OPERATION,
    OTHER_STATION,
    RESTRICT,
    RESTRICTED,
    ROUTE,
    STATION,
    TRANSFER,
    incident,
    owned_by,
)

LIFT = ask.LiftRestriction(operation_id=OPERATION, reason="no secret any more")
LIFTED = RestrictionLifted(operation_id=OPERATION, reason="no secret any more")


def test_it_is_attached_once_and_to_one_operation():
    incident.given(OPENED).when(RESTRICT).then(RESTRICTED)
    incident.given(OPENED, RESTRICTED).when(RESTRICT).then_nothing()
    other = RESTRICT.model_copy(update={"operation_id": OTHER_OPERATION})
    incident.given(OPENED, RESTRICTED).when(other).then_refused("incident.already_restricted")
    incident.given(OPENED, RESTRICTED, LIFTED).when(other).then(
        RESTRICTED.model_copy(update={"operation_id": OTHER_OPERATION})
    )


def test_it_is_taken_off_by_the_operation_it_belongs_to():
    incident.given(OPENED, RESTRICTED).when(LIFT).then(LIFTED)
    incident.given(OPENED).when(LIFT).then_nothing()
    foreign = LIFT.model_copy(update={"operation_id": OTHER_OPERATION})
    incident.given(OPENED, RESTRICTED).when(foreign).then_nothing()


def test_its_owner_always_knows():
    without_owner = RESTRICT.model_copy(update={"center_ids": (CITY, DISTRICT)})
    incident.given(OPENED).when(without_owner).then_refused("incident.owner_not_cleared", owner_center_id=str(STATION))
    left = ask.ChangeClearance(operation_id=OPERATION, center_ids=(CITY,))
    incident.given(OPENED, RESTRICTED).when(left).then_refused("incident.owner_not_cleared")


def test_who_joins_or_leaves_is_said_once():
    joined = ask.ChangeClearance(operation_id=OPERATION, center_ids=(STATION, CITY, OTHER_STATION, CITY))
    told = ClearanceChanged(operation_id=OPERATION, center_ids=(CITY, STATION, OTHER_STATION))
    incident.given(OPENED, RESTRICTED).when(joined).then(told)
    incident.given(OPENED, RESTRICTED, told).when(joined).then_nothing()
    incident.given(OPENED).when(joined).then_nothing()


def test_it_is_neither_offered_nor_given_nor_routed_out_of_the_operation():
    incident.given(OPENED, RESTRICTED).when(OFFER).then_refused("incident.not_cleared", center_id=str(OTHER_STATION))
    taken = ask.AcceptTransfer(transfer_id=TRANSFER, center_id=OTHER_STATION)
    incident.given(OPENED, OFFERED, RESTRICTED).when(taken).then_refused("incident.not_cleared")
    joined = ClearanceChanged(operation_id=OPERATION, center_ids=(CITY, STATION, OTHER_STATION))
    incident.given(OPENED, RESTRICTED, joined).when(OFFER).then(OFFERED)
    elsewhere = ROUTE.model_copy(update={"owner": owned_by(OTHER_STATION)})
    incident.given(OPENED, RESTRICTED).when(elsewhere).then(
        fact.IncidentRouted(**dict(elsewhere.model_copy(update={"owner": owned_by(STATION)})))
    )


def test_it_is_moved_within_the_operation_only():
    move = ask.MoveIncident(transfer_id=TRANSFER, to=owned_by(OTHER_STATION), reason="the tree changed", moved_at=NOON)
    incident.given(OPENED, RESTRICTED).when(move).then_refused("incident.not_cleared", center_id=str(OTHER_STATION))
    within = move.model_copy(update={"to": owned_by(CITY)})
    moved = (
        fact.TransferOffered(
            transfer_id=TRANSFER, from_center_id=STATION, to=within.to, reason="the tree changed", expires_at=NOON
        ),
        fact.TransferAccepted(transfer_id=TRANSFER, from_center_id=STATION, owner=within.to),
    )
    incident.given(OPENED, RESTRICTED).when(within).then(*moved)


def test_it_is_merged_with_its_like_only():
    incident.given(OPENED, RESTRICTED).when(MERGE_HERE).then_refused("incident.merge_across_restriction")
    of_one = MERGE_HERE.model_copy(update={"into_operation_id": OPERATION})
    incident.given(OPENED).when(of_one).then_refused("incident.merge_across_restriction")
    incident.given(OPENED, RESTRICTED).when(of_one).then(
        fact.IncidentMerged(
            merge_id=of_one.merge_id, into_incident_id=of_one.into_incident_id, into_version=of_one.into_version
        )
    )


def test_what_was_missed_is_told_to_the_next_above_that_may_know():
    due = Due((ACKNOWLEDGE, GUEST), HERE, NOON, position=1)
    plain = incident.state([OPENED, ACCEPTED])
    restricted = incident.state([OPENED, ACCEPTED, RESTRICTED])
    told = [_told(due, state, state) for state in (plain, restricted)]
    assert [one.center_id for one in told if one is not None] == [DISTRICT, CITY]
