"""The list of lamps is a fold: whatever the story, it names exactly what the decider would record, and when."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.casework import commands as ask
from domain.casework.decider import CaseState, decide
from domain.casework.events import EVENTS, LampTurned, limit_in, stopped_at
from domain.event import Event, Fact
from domain.policies.lamps import TOPICS, LampDue, LampList
from domain.refusals import Refusal
from domain.vocabulary import Lamp
from domain.working_time import AroundTheClock
from tests.domain.case_story import ASSIGNED, FILED, HANDLED, LIFE, PAUSED, at
from tests.domain.shapes import ENVELOPE
from tests.domain.test_case_properties import stories, told

CASE = UUID(int=7)


def listed(events: list[Event]) -> LampList:
    dues = LampList()
    for position, event in enumerate(events, start=1):
        if event.name in TOPICS:
            dues.apply(Fact(position, CASE, position, ENVELOPE.received_at, ENVELOPE, event))
    return dues


def owed(state: CaseState) -> set[tuple[int, Lamp]]:
    """What the decider would still record, sooner or later."""
    far = at(days=4_000)
    return {
        (number, lamp)
        for number in range(len(state.spells))
        for lamp in (Lamp.AMBER, Lamp.RED)
        if decide(ask.TurnLamp(limit_number=number, lamp=lamp, noticed_at=far), state, AroundTheClock())
    }


@settings(max_examples=300)
@given(story=stories, restart_from=st.integers(0, 20))
def test_it_lists_what_the_decider_owes_from_any_mark_on(story, restart_from: int) -> None:
    steps = told(story, AroundTheClock())
    events = [event for _, _, event, _ in steps]
    dues = listed(events)
    passed = dues.until(at(days=4_000), 1_000)
    assert {(due.limit_number, due.lamp) for due in passed} == owed(steps[-1][3])
    assert [due.due_at for due in passed] == sorted(due.due_at for due in passed)
    oldest = dues.oldest_position()
    if oldest is None:
        return
    later = LampList()
    for position, event in enumerate(events, start=1):
        if position >= oldest and event.name in TOPICS:
            later.apply(Fact(position, CASE, position, ENVELOPE.received_at, ENVELOPE, event))
    assert later.until(at(days=4_000), 1_000) == passed


def test_a_lamp_is_due_at_its_instant_and_not_before() -> None:
    dues = listed([FILED, ASSIGNED])
    assert dues.next_at() == at(hours=8)
    assert dues.until(at(hours=8) - timedelta(microseconds=1), 10) == []
    (due,) = dues.until(at(hours=8), 10)
    assert due == LampDue(CASE, 0, Lamp.AMBER, at(hours=8), 2)


def test_what_stopped_in_time_owes_nothing() -> None:
    assert [due.limit_number for due in listed([FILED, ASSIGNED, HANDLED]).until(at(days=9), 10)] == [1, 1]
    assert listed([FILED, ASSIGNED, PAUSED]).until(at(days=9), 10) == []


def test_every_fact_that_starts_or_stops_a_time_is_folded() -> None:
    moving = {event.name for events in LIFE.values() for event in events if limit_in(event) or stopped_at(event)}
    assert moving <= set(TOPICS)
    assert LampTurned.name in TOPICS
    assert set(TOPICS) <= {event.name for event in EVENTS}


def test_no_lamp_is_refused_that_the_list_says_is_due() -> None:
    for events in LIFE.values():
        for due in listed([*events]).until(at(days=9), 10):
            state = _state(events)
            command = ask.TurnLamp(limit_number=due.limit_number, lamp=due.lamp, noticed_at=due.due_at)
            assert not isinstance(decide(command, state, AroundTheClock()), Refusal)


def _state(events: tuple[Event, ...]) -> CaseState:
    from tests.domain.case_story import case

    found: CaseState = case.state(events)
    return found
