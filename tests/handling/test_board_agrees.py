"""What the board shows is what deciders decide on: two folds of the same facts never disagree."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import given, settings

from domain.assignment.events import AssignmentMade
from domain.event import Actor, Envelope, Event, Fact
from domain.incident.decider import IncidentState
from domain.vocabulary import ActorKind
from projections.board import Board
from projections.projection import Row
from tests.domain.incident_story import HERE, NOON, OPENED
from tests.domain.test_assignment import UNIT
from tests.domain.test_incident_properties import steps, stories
from tests.domain.test_unit_properties import shifts
from tests.domain.test_unit_properties import steps as unit_steps

COLUMNS = ("phase", "number", "category", "severity", "priority", "owner_center_id", "owner_path", "address")
MORE_COLUMNS = ("claimed_by", "merged_into", "accept_by")


def as_fact(event: Event, *, stream_id: UUID, position: int) -> Fact[Event]:
    at = NOON + timedelta(seconds=position)
    actor = Actor(kind=ActorKind.OPERATOR, id="alice")
    envelope = Envelope(event_id=UUID(int=position), occurred_at=at, received_at=at, actor=actor)
    return Fact(position, stream_id, position, at, envelope, event)


def believed(state: IncidentState) -> dict[str, Any]:
    assert state.owner is not None
    return {
        "phase": state.phase,
        "number": state.number,
        "category": state.category,
        "severity": state.severity,
        "priority": state.priority,
        "owner_center_id": state.owner.center_id,
        "owner_path": list(state.owner.path),
        "address": state.place.address,
        "claimed_by": state.claimed_by,
        "merged_into": state.merge.into_incident_id if state.merge else None,
        "transfer": str(state.offer.transfer_id) if state.offer else None,
        "agencies": [recipient.agency for recipient in state.recipients],
        "accept_by": state.accept_by,
    }


def shown(row: Row) -> dict[str, Any]:
    return {
        **{name: row[name] for name in (*COLUMNS, *MORE_COLUMNS)},
        "transfer": row["transfer"]["transfer_id"] if row["transfer"] else None,
        "agencies": [recipient["agency"] for recipient in row["recipients"]],
    }


@settings(max_examples=100)
@given(stories)
def test_the_board_shows_what_the_decider_decides_on(story):
    board, row = Board(), None
    for position, (_, event, after) in enumerate(steps(story), start=1):
        row = board.apply((HERE,), row, as_fact(event, stream_id=HERE, position=position))
        assert row is not None
        assert shown(row) == believed(after), event
        assert row["decision_version"] == position


@settings(max_examples=100)
@given(shifts)
def test_the_board_shows_how_far_each_unit_is(drawn):
    board, rows, position = Board(), {}, 0
    for _, _, event, after in unit_steps(drawn):
        incident_id = getattr(event, "incident_id", None)
        if incident_id is None:
            continue
        if incident_id not in rows:
            position += 1
            rows[incident_id] = board.apply(
                (incident_id,), None, as_fact(OPENED, stream_id=incident_id, position=position)
            )
        position += 1
        fact = as_fact(event, stream_id=UNIT, position=position)
        assert list(board.keys(fact)) == [(incident_id,)]
        rows[incident_id] = board.apply((incident_id,), rows[incident_id], fact)
        listed = rows[incident_id]["assignments"]
        assert {key: entry["phase"] for key, entry in listed.items()} == {
            str(key): assignment.phase
            for key, assignment in after.assignments.items()
            if assignment.incident_id == incident_id
        }
        if isinstance(event, AssignmentMade):
            assert listed[str(event.assignment_id)]["stacked"] is event.stacked
