"""A row of the board says who may know of a restricted incident; every look at the rows asks it."""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

from domain.assignment.events import AssignmentCleared, AssignmentMade
from domain.event import Envelope, Event, Fact
from domain.incident.events import IncidentRouted
from domain.incident.restriction_events import ClearanceChanged, RestrictionLifted
from projections import queries, tables
from projections.board import Board, change_of
from tests.domain.incident_story import (
    CITY,
    DISTRICT,
    HERE,
    NOON,
    OPENED,
    OPERATION,
    RESTRICTED,
    ROUTE,
    STATION,
    owned_by,
    recipient,
)
from tests.domain.shapes import ENVELOPE

BOARD, UNIT, ASSIGNMENT = Board(), UUID(int=0x71), UUID(int=0x72)
ROUTED = IncidentRouted(**dict(ROUTE.model_copy(update={"recipients": (recipient("police"), recipient("fire"))})))
MADE = AssignmentMade(
    assignment_id=ASSIGNMENT,
    incident_id=HERE,
    incident_number=OPENED.number,
    incident_owner=owned_by(STATION),
    unit_id=UNIT,
    agency="fire",
    call_sign="F-1",
)
CLEARED = AssignmentCleared(assignment_id=ASSIGNMENT, incident_id=HERE)


def rows(*story: Event) -> list[dict[str, Any]]:
    """The row after each fact."""
    found: list[dict[str, Any]] = []
    row = None
    for position, event in enumerate(story, 1):
        stream = UNIT if event.name.startswith("assignment.") else HERE
        envelope = Envelope(**dict(ENVELOPE) | {"occurred_at": NOON + timedelta(seconds=position)})
        row = BOARD.apply((HERE,), row, Fact(position, stream, position, NOON, envelope, event))
        assert row is not None
        found.append(dict(row))
    return found


def test_a_restricted_row_is_its_operations_and_nobody_elses() -> None:
    ordinary, restricted = rows(OPENED, ROUTED, RESTRICTED)[-2:]
    assert set(ordinary["visible_center_ids"]) == {CITY, DISTRICT, STATION}
    assert ordinary["agencies"] == ["police", "fire"]
    assert (set(restricted["visible_center_ids"]), restricted["agencies"]) == ({CITY, STATION}, [])
    assert restricted["inbox_center_ids"] == [STATION]
    said = change_of(ordinary, restricted)
    assert said is not None
    assert (said["restricted_before"], said["restricted_after"]) == (False, True)
    assert set(said["centers_before"]) - set(said["centers_after"]) == {DISTRICT}


def test_what_comes_later_changes_nothing_about_that() -> None:
    *_, routed_again = rows(OPENED, RESTRICTED, ROUTED)
    assert (set(routed_again["visible_center_ids"]), routed_again["agencies"]) == ({CITY, STATION}, [])
    joined = ClearanceChanged(operation_id=OPERATION, center_ids=(CITY, DISTRICT, STATION), agencies=("police",))
    *_, wider = rows(OPENED, RESTRICTED, ROUTED, joined)
    assert (set(wider["visible_center_ids"]), wider["agencies"]) == ({CITY, DISTRICT, STATION}, ["police"])


def test_an_agency_with_a_crew_on_it_sees_it_until_the_crew_is_done() -> None:
    made, cleared = rows(OPENED, ROUTED, RESTRICTED, MADE, CLEARED)[-2:]
    assert (made["agencies"], cleared["agencies"]) == (["fire"], [])


def test_once_lifted_it_is_as_if_it_had_never_been() -> None:
    lifted = RestrictionLifted(operation_id=OPERATION, reason="over")
    before, _, after = rows(OPENED, ROUTED, RESTRICTED, lifted)[-3:]
    moving = {"updated_at", "updated_position", "decision_version"}
    assert {name: after[name] for name in after if name not in moving} == {
        name: before[name] for name in before if name not in moving
    }


# --- No query forgets it ----------------------------------------------------------------------------------------------

ASKED_ELSEWHERE = {
    "board.one": "row_is_visible decides, which needs the row",
    "board.of_alert": "row_is_visible decides: one hidden incident hides the alert",
    "counters.of_incident": "the incident's own row was asked for first",
    "counters.incidents": "the definition carries the sight",
    "counters.cases": "the definition carries the sight",
    "counters.people": "the definition carries the sight",
    "cover.lent": "only which units are away, and not for what",
    "handovers.claimed": "the claims of the one who goes, for the one who signs: nothing is shown",
    "incidents.card": "the incident's own row was asked for first",
    "incidents.alerts": "the incident's own row was asked for first",
    "incidents.timeline": "the incident's own row was asked for first",
    "incidents.checklist": "the incident's own row was asked for first",
    "incidents.reports": "no route asks it",
    "incidents.of_alerts": "no route asks it",
    "incidents.opened_by_machines": "of rows that are shown already",
    "incidents.reports_about": "no route asks it",
    "progress.board_changes": "the change feed: `Change.for_key` decides",
    "search.excerpts": "of rows that are shown already",
}
"""Statements about incidents that take no sight, and who asks instead. A new one asks, or gives its reason here."""


def statements() -> Iterator[tuple[str, Any]]:
    """Every statement that a reader can ask for, by module and name."""
    for module in pkgutil.iter_modules(queries.__path__):
        whole = import_module(f"{queries.__name__}.{module.name}")
        for name, function in inspect.getmembers(whole, inspect.isfunction):
            is_statement = "Select" in str(function.__annotations__.get("return"))
            if is_statement and function.__module__ == whole.__name__ and not name.startswith("_"):
                yield f"{module.name}.{name}", function


def test_every_statement_about_incidents_asks_who_looks() -> None:
    about = [table.name for table in tables.metadata.tables.values() if "incident_id" in table.c]
    reads = re.compile(rf"\b(?:{'|'.join(about)})(?:\.c\b|\)|$)", re.MULTILINE)
    silent = {
        name
        for name, function in statements()
        if reads.search(inspect.getsource(function)) and "sight" not in inspect.signature(function).parameters
    }
    assert silent == ASKED_ELSEWHERE.keys()
    assert {name for name, function in statements() if "sight" in inspect.signature(function).parameters} >= {
        "board.for_center",
        "search.incidents",
        "evidence.listed",
        "orders.one",
    }
