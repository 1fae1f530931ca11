"""Folds are pure and total: any story, any page size, the same rows; and the board agrees with the deciders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import from_json

from dispatch.ports import RecordedEvent
from domain.catalogue import EVENTS
from domain.event import Event, Fact
from domain.incident.decider import INITIAL, evolve
from domain.incident.events import IncidentOpened
from projections import fold
from projections.addressing import ASSIGNMENTS, COMPANIONS, DECISIONS, names
from projections.board import Board, item, item_text
from projections.fold import MemoryRows
from projections.projection import Key, Projection, Row
from projections.registry import PROJECTIONS
from tests.domain.incident_story import ACCEPTED, OPENED
from tests.projections.happenings import INCIDENTS, SYSTEM, Happening, as_recorded, collected, stories


def rows_of(projection: Projection, recorded: Sequence[RecordedEvent], page_events: int) -> MemoryRows:
    rows = MemoryRows(projection)
    for start in range(0, len(recorded), page_events):
        page = recorded[start : start + page_events]
        rows.take(fold.read(page, page[-1].position))
    return rows


@settings(max_examples=60)
@given(stories())
def test_no_story_makes_a_fold_fail(story: list[Happening]) -> None:
    recorded = as_recorded(story)
    for projection in PROJECTIONS.values():
        assert rows_of(projection, recorded, 500).parked == []


@settings(max_examples=40)
@given(stories())
def test_the_page_size_does_not_matter(story: list[Happening]) -> None:
    recorded = as_recorded(story)
    for projection in PROJECTIONS.values():
        assert rows_of(projection, recorded, 1).rows == rows_of(projection, recorded, 500).rows


@settings(max_examples=40)
@given(stories(), st.sets(st.integers(5, 35), max_size=4))
def test_poison_parks_the_same_facts_at_any_page_size(story: list[Happening], poisoned: set[int]) -> None:
    recorded = [replace(one, state=b"{") if one.position in poisoned else one for one in as_recorded(story)]
    for projection in PROJECTIONS.values():
        one_by_one, at_once = rows_of(projection, recorded, 1), rows_of(projection, recorded, 500)
        assert (one_by_one.rows, one_by_one.parked) == (at_once.rows, at_once.parked)
        wanted = {one.position for one in recorded if one.position in poisoned and one.topic in projection.topics}
        assert {parked.position for parked in at_once.parked if parked.follows == parked.position} <= wanted
        assert wanted <= {parked.position for parked in at_once.parked}


class Faulty(Board):
    """A board with a bug for one category."""

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        if getattr(fact.event, "category", None) == "bug":
            raise ZeroDivisionError
        return super().apply(key, row, fact)


def test_a_bug_in_a_fold_parks_one_incident_and_no_other() -> None:
    story = [Happening(one, OPENED, 0, SYSTEM) for one in INCIDENTS]
    story += [Happening(INCIDENTS[0], OPENED.model_copy(update={"category": "bug"}), 0, SYSTEM)]
    story += [Happening(one, ACCEPTED, 0, SYSTEM) for one in INCIDENTS]
    rows = rows_of(Faulty(), as_recorded(story), 500)
    assert [rows.rows[one,]["phase"] for one in INCIDENTS] == ["open", "accepted", "accepted"]
    assert [(parked.position, parked.follows) for parked in rows.parked] == [(4, 4), (5, 4)]
    assert "ZeroDivisionError" in rows.parked[0].reason


@settings(max_examples=60)
@given(stories())
def test_the_board_says_what_the_decider_believes(story: list[Happening]) -> None:
    recorded = [one for one in as_recorded(story) if one.topic != IncidentOpened.name or one.version == 1]
    rows = rows_of(PROJECTIONS["board"], recorded, 500).rows
    facts = [fact for fact in fold.read(recorded, len(story)).facts if isinstance(fact, Fact)]
    for incident_id in INCIDENTS:
        state = INITIAL
        for fact in facts:
            if fact.stream_id == incident_id:
                state = evolve(state, fact.event)
        row = rows[incident_id,]
        assert state.owner is not None
        assert (row["phase"], row["owner_center_id"], row["owner_path"]) == (
            state.phase,
            state.owner.center_id,
            list(state.owner.path),
        )
        assert (row["category"], row["severity"], row["priority"]) == (state.category, state.severity, state.priority)
        assert row["claimed_by"] == state.claimed_by
        assert (row["transfer"] is None) == (state.offer is None)


@settings(max_examples=30)
@given(stories())
def test_a_row_has_exactly_the_columns_of_its_table(story: list[Happening]) -> None:
    recorded = as_recorded(story)
    for projection in PROJECTIONS.values():
        columns = {column.name for column in projection.table.columns}
        keys = [column.name for column in projection.table.primary_key.columns]
        for key, row in rows_of(projection, recorded, 500).rows.items():
            assert set(row) == columns
            assert tuple(row[name] for name in keys) == key
            for column in projection.table.columns:
                assert column.nullable or row[column.name] is not None, column


@settings(max_examples=30)
@given(stories())
def test_a_fold_leaves_the_row_it_was_given_as_it_was(story: list[Happening]) -> None:
    recorded = as_recorded(story)
    for projection in PROJECTIONS.values():
        rows = MemoryRows(projection)
        for one in recorded:
            before = {key: repr(row) for key, row in rows.rows.items()}
            kept = dict(rows.rows)
            rows.take(fold.read([one], one.position))
            assert {key: repr(row) for key, row in kept.items()} == before


@settings(max_examples=40)
@given(stories())
def test_a_board_row_has_one_shape_as_text_and_as_values(story: list[Happening]) -> None:
    for row in rows_of(PROJECTIONS["board"], as_recorded(story), 500).rows.values():
        assert from_json(item_text(row)) == item(row)
        local = {name: _in_chengdu(value) for name, value in row.items()}
        assert item_text(local) == item_text(row)
        assert item(local) == item(row)


def _in_chengdu(value: object) -> object:
    return value.astimezone(timezone(timedelta(hours=8))) if isinstance(value, datetime) else value


def test_every_incident_event_belongs_to_a_story() -> None:
    told = {name for name in EVENTS if name.startswith(("incident.", "assignment."))}
    assert told == names(DECISIONS, COMPANIONS, ASSIGNMENTS)


@pytest.mark.parametrize("projection", PROJECTIONS.values(), ids=PROJECTIONS)
def test_topics_are_events_of_the_catalogue(projection: Projection) -> None:
    assert projection.topics <= set(EVENTS)


@cache
def in_parts() -> Sequence[tuple[fold.Page, Sequence[fold.Page]]]:
    """Stories as one page, and as the pages of three processes that share them; read once for all projections."""
    topics = {topic for one in PROJECTIONS.values() for topic in one.topics}
    shares = [fold.Share(fold.Part(number, 3), [*PROJECTIONS.values()]) for number in range(3)]
    found = []
    for story in collected(20):
        recorded = as_recorded(story)
        last, wanted = recorded[-1].position, [one for one in recorded if one.topic in topics]
        found.append((fold.read(recorded, last), [share.of(wanted, last) for share in shares]))
    return found


@pytest.mark.parametrize("projection", PROJECTIONS.values(), ids=lambda one: one.name)
def test_parts_of_a_page_are_the_page(projection: Projection) -> None:
    """All keys of a fact begin with its entity, so what processes fold apart is what one folds."""
    for page, shared in in_parts():
        for fact in page.of(projection):
            assert isinstance(fact, Fact)
            assert {key[0] for key in projection.keys(fact)} <= {projection.entity(fact)}
        whole = MemoryRows(projection)
        whole.take(page)
        parts = [MemoryRows(projection) for _ in shared]
        for rows, part in zip(parts, shared, strict=True):
            rows.take(part)
        assert {key: row for rows in parts for key, row in rows.rows.items()} == whole.rows
        assert sum(len(rows.rows) for rows in parts) == len(whole.rows)
