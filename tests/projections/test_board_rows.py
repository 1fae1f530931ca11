"""Rows of the board: what a merge hides for a while is there again when it is undone."""

from __future__ import annotations

from domain.event import Event
from domain.incident.events import IncidentEscalated, IncidentUnmerged
from projections.board import Board
from projections.inbox import waiting_for
from projections.projection import Row
from tests.domain.incident_story import ACCEPTED, DISTRICT, MERGED, NOON, OPENED, OTHER_STATION, ROUTED, WHY, owned_by
from tests.projections import happenings
from tests.projections.happenings import INCIDENTS

ONE = INCIDENTS[0]
UNMERGED = IncidentUnmerged(merge_id=MERGED.merge_id, from_incident_id=MERGED.into_incident_id)
TOLD = IncidentEscalated(level=1, deadline="accept", to=owned_by(DISTRICT), due_at=NOON, late_s=2, explanation=WHY)
COUNTS = {"decision_version", "updated_position", "updated_at"}


def row_after(*events: Event) -> Row:
    return happenings.row_after(Board(), ONE, *events)


def columns_of(row: Row) -> dict[str, object]:
    return {name: value for name, value in row.items() if name not in COUNTS}


def test_who_was_told_that_nobody_accepts_is_told_again_when_a_merge_is_undone() -> None:
    assert DISTRICT in row_after(OPENED, ROUTED, TOLD)["inbox_center_ids"]
    assert columns_of(row_after(OPENED, ROUTED, TOLD, MERGED, UNMERGED)) == columns_of(row_after(OPENED, ROUTED, TOLD))


def test_while_it_is_merged_it_waits_for_nobody_to_accept_it() -> None:
    row = row_after(OPENED, ROUTED, TOLD, MERGED)
    assert (row["inbox_center_ids"], row["is_on_board"]) == ([], False)
    assert waiting_for(row, DISTRICT) == []


def test_what_the_head_was_told_meanwhile_is_its_business_no_longer() -> None:
    meanwhile = TOLD.model_copy(update={"to": owned_by(OTHER_STATION)})
    row = row_after(OPENED, ROUTED, TOLD, MERGED, meanwhile, UNMERGED)
    assert row["inbox"] == row_after(OPENED, ROUTED, TOLD)["inbox"]


def test_it_is_told_no_more_once_it_was_accepted() -> None:
    assert DISTRICT not in row_after(OPENED, ROUTED, TOLD, MERGED, UNMERGED, ACCEPTED)["inbox_center_ids"]
