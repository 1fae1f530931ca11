"""A replay shows what the live screens showed, and what was true, from the log alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatch.audit import replay
from domain.assignment.events import AssignmentMade, UnitOnScene
from domain.event import Explanation, Reason
from domain.identifiers import companion_of
from domain.incident.events import NoteAdded, NumberAllocated
from domain.refusals import Refused
from projections import cards, timeline
from projections.board import item
from projections.queries import board, incidents
from projections.queries.sight import EVERYTHING
from tests.domain.incident_story import ACCEPTED, OPENED, ROUTED, STATION, owned_by
from tests.projections.conftest import City
from tests.projections.happenings import INCIDENTS, SYSTEM, UNITS, Happening, collected

ONE, TWO, THREE = INCIDENTS
UNIT = UNITS[0]


def happening(stream: object, event: object, late_s: int = 0) -> Happening:
    return Happening(stream, event, late_s, SYSTEM)  # type: ignore[arg-type]


MADE = AssignmentMade(
    assignment_id=UNITS[1],
    incident_id=ONE,
    incident_number=OPENED.number,
    incident_owner=owned_by(STATION),
    unit_id=UNIT,
    agency="traffic_police",
    call_sign="川A-17",
)


async def test_a_replayed_board_equals_the_live_one(city: City) -> None:
    for story in collected(4):
        await city.tell(story)
        for center_id in (STATION, OPENED.owner.path[0]):
            live = await city.ask(board.for_center(center_id, sight=EVERYTHING, cursor=None, limit=100))
            then = await replay.board_as_of(city.log, await replay.as_of(city.log), center_id=center_id)
            assert then.items == [item(row) for row in live]


async def test_a_replayed_card_and_timeline_equal_the_live_ones(city: City) -> None:
    for story in collected(4):
        await city.tell(story)
        moment = await replay.as_of(city.log)
        for incident_id in INCIDENTS:
            then = await replay.incident_as_of(city.log, incident_id, moment)
            assert then is not None
            (row,) = await city.ask(board.one(incident_id))
            (document,) = await city.ask(incidents.card(incident_id))
            links = await city.ask(incidents.alerts(incident_id, limit=replay.ALERTS_SHOWN))
            assert then.card == cards.card(row, document, links[: replay.ALERTS_SHOWN])
            told = await city.ask(incidents.timeline(incident_id, limit=500, narrative=False))
            assert then.timeline == [timeline.told(entry, "zh") for entry in told]


async def test_a_past_board_shows_what_was_known_then(city: City) -> None:
    await city.tell([happening(ONE, OPENED)])
    seen = [item(row) for row in await city.ask(board.for_city(sight=EVERYTHING, cursor=None, limit=10))]
    await city.tell([happening(ONE, ROUTED), happening(ONE, ACCEPTED), happening(TWO, OPENED)])
    then = await replay.board_as_of(city.log, await replay.as_of(city.log, position=1))
    assert then.items == seen
    (recorded,) = await city.log.read_after(0, limit=1)
    moment = await replay.as_of(city.log, instant=recorded.recorded_at - timedelta(microseconds=1))
    assert (await replay.board_as_of(city.log, moment)).items == []


async def test_what_was_true_differs_from_what_was_known(city: City) -> None:
    """The crew was there at minute one; the radio said so at minute three."""
    await city.tell([happening(ONE, OPENED), happening(UNIT, MADE)])
    on_scene = UnitOnScene(assignment_id=MADE.assignment_id, incident_id=ONE)
    await city.tell([happening(TWO, OPENED), happening(UNIT, on_scene, late_s=2)])
    known = await replay.incident_as_of(city.log, ONE, await replay.as_of(city.log, position=3))
    assert known is not None
    assert known.card["response_status"] == "assigned"
    happened_at = known.row["opened_at"] + timedelta(seconds=1)
    true = await replay.incident_as_of(city.log, ONE, await replay.as_of(city.log, true_at=happened_at))
    assert true is not None
    assert true.card["response_status"] == "on_scene"


async def test_an_incident_reads_the_facts_of_its_units_about_it_only(city: City) -> None:
    other = MADE.model_copy(update={"incident_id": TWO, "assignment_id": UNITS[0]})
    await city.tell([happening(ONE, OPENED), happening(TWO, OPENED), happening(UNIT, MADE), happening(UNIT, other)])
    await city.tell([happening(companion_of(ONE), NoteAdded(incident_id=ONE, note_id=UNIT, text="看见了"))])
    then = await replay.incident_as_of(city.log, ONE, await replay.as_of(city.log), language="en")
    assert then is not None
    assert [entry["event"] for entry in then.timeline] == ["incident.opened", "assignment.made", "incident.note_added"]
    assert then.timeline[1]["text"] == "川A-17 (traffic_police) assigned"


async def test_there_was_no_incident_before_it_was_opened(city: City) -> None:
    await city.tell([happening(ONE, OPENED), happening(TWO, OPENED)])
    assert await replay.incident_as_of(city.log, TWO, await replay.as_of(city.log, position=1)) is None


async def test_a_position_that_is_not_there_yet_is_refused(city: City) -> None:
    with pytest.raises(Refused, match="ends at position 0"):
        await replay.as_of(city.log, position=1)


async def test_a_decision_shows_its_rule_version_and_reasons_in_words(city: City) -> None:
    why = Explanation(
        policy="routing",
        input_positions=(1,),
        reasons=(
            Reason(code="routing.owner_by_rule", values={"category": "traffic.accident", "owner_rule": "station"}),
        ),
    )
    await city.tell([happening(ONE, OPENED), happening(ONE, ROUTED.model_copy(update={"explanation": why}))])
    shown = await replay.decision_at(city.log, 2, language="en")
    assert shown is not None
    assert (shown["event"], shown["rule_version"], shown["input_positions"]) == ("incident.routed", 1, [1])
    assert shown["reasons"][0]["text"] == "owner by the rule of traffic.accident (station)"
    assert await replay.decision_at(city.log, 1) is None


async def test_an_incident_is_found_by_its_number(city: City) -> None:
    await city.tell([happening(ONE, OPENED), happening(TWO, NumberAllocated(number="CD-1", incident_id=ONE))])
    assert await replay.incident_called(city.log, "CD-1") == ONE
    assert await replay.incident_called(city.log, str(TWO)) == TWO
    assert await replay.incident_called(city.log, "CD-2") is None
