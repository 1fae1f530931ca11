"""What a restricted operation said would be its own is labelled in the append that opens it, or by nobody."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from dispatch.handling.restrictions import RestrictionDesk
from dispatch.handling.scribe import Request
from dispatch.workers.repeat import Repeater
from domain.event import Actor
from domain.identifiers import center_id, named, operation_id
from domain.incident.events import IncidentOpened, IncidentRouted
from domain.incident.restriction_events import IncidentRestricted
from domain.operation.commands import AddMember
from domain.operation.events import IncidentAttached, LabelsSet, MemberAdded, OperationEnded, OperationPlanned
from domain.vocabulary import ActorKind
from tests.workers.town import CITY, EAST, NOON, WEST, HandClock, RacingLog, Town

QUIET = operation_id(CITY, "quiet")
AREA = (((104.0, 30.6), (104.05, 30.6), (104.05, 30.8), (104.0, 30.8), (104.0, 30.6)),)
HOURS = {"begins_at": NOON - timedelta(hours=1), "ends_at": NOON + timedelta(hours=1)}


def centers(*codes: str) -> set[UUID]:
    return {center_id(CITY, code) for code in codes}


async def secret(town: Town, *members: str, code: str = "quiet", **labels: Any) -> Town:
    """A restricted operation of the city that says what is its."""
    planned = OperationPlanned(
        city=CITY,
        code=code,
        name_zh="警卫",
        name_en="Guard",
        purpose="a guest",
        center_id=center_id(CITY, "city"),
        path=(center_id(CITY, "city"),),
        restricted=True,
        **HOURS,
    )
    said = LabelsSet(**{"area": AREA, "reason": "all of it is ours", **HOURS, **labels})
    joined = [MemberAdded(center_id=center_id(CITY, member)) for member in members]
    await town.record(operation_id(CITY, code), planned, *joined, said)
    return town


async def test_it_is_opened_labelled_and_attached_in_one_append_and_routed_within():
    town = await secret(await Town().found(), "s-west")
    await town.alert(point=WEST)
    await town.react()
    (opened,) = await town.facts(IncidentOpened)
    (restricted,) = await town.facts(IncidentRestricted)
    assert (restricted.stream_id, restricted.position) == (opened.stream_id, opened.position + 1)
    assert restricted.recorded_at == opened.recorded_at
    event = restricted.event
    assert (event.operation_id, set(event.center_ids)) == (QUIET, centers("city", "s-west"))
    assert (event.reason, event.explanation.reasons[0].code) == ("all of it is ours", "label.by_area")
    (said,) = await town.facts(LabelsSet)
    assert event.explanation.input_positions == (said.position,)
    assert [one.incident_id for one in await town.events(IncidentAttached, QUIET)] == [opened.stream_id]
    (routed,) = await town.events(IncidentRouted)
    assert {one.center_id for one in routed.recipients} <= centers("city", "s-west")
    made, otherwise = await Repeater(log=town.log, directory=town.directory, clock=town.clock).differing()
    assert (made >= 3, otherwise) == (True, [])


async def test_several_of_one_page_are_one_change_of_the_operation():
    town = await secret(await Town().found(), "s-west")
    for number in range(3):
        await town.alert(point=WEST.model_copy(update={"lat": WEST.lat + number / 100}), source_event_id=str(number))
    await town.react()
    assert len(await town.events(IncidentRestricted)) == len(await town.events(IncidentAttached, QUIET)) == 3


@pytest.mark.parametrize(
    "labels",
    [
        {"area": ()},
        {"begins_at": NOON + timedelta(minutes=1)},
        {"ends_at": NOON},
        {"area": (tuple((lon + 0.1, lat) for lon, lat in AREA[0]),)},
    ],
)
async def test_elsewhere_and_at_another_time_nothing_is_labelled(labels: dict[str, Any]):
    town = await secret(await Town().found(), "s-west", **labels)
    await town.alert(point=WEST)
    await town.react()
    assert len(await town.events(IncidentOpened)) == 1
    assert await town.events(IncidentRestricted) == []


async def test_an_operation_that_has_ended_labels_nothing():
    town = await secret(await Town().found(), "s-west")
    await town.record(QUIET, OperationEnded())
    await town.alert(point=WEST)
    await town.react()
    assert await town.events(IncidentRestricted) == []


async def test_an_incident_whose_owner_takes_no_part_opens_without_a_label():
    town = await secret(await Town().found(), "s-east")
    await town.alert(point=WEST)
    await town.react()
    assert len(await town.events(IncidentOpened)) == 1
    assert await town.events(IncidentRestricted) == []
    assert EAST != WEST


async def test_of_two_operations_the_one_whose_time_begins_first_has_it():
    town = await secret(await Town().found(), "s-west", begins_at=NOON - timedelta(minutes=5))
    await secret(town, "s-west", code="quieter", begins_at=NOON - timedelta(minutes=50))
    await town.alert(point=WEST)
    await town.react()
    assert [one.operation_id for one in await town.events(IncidentRestricted)] == [operation_id(CITY, "quieter")]


async def test_who_joins_in_that_moment_knows_of_it():
    clock = HandClock()
    log = RacingLog(clock)
    town = await secret(await Town(log, clock).found(), "s-west")
    await town.alert(point=WEST)

    async def join() -> None:
        actor = Actor(kind=ActorKind.OPERATOR, id="chief")
        request = Request(actor, clock.now(), named("test", "join"))
        desk = RestrictionDesk(town.scribe, town.directory)
        await desk.member(QUIET, AddMember(center_id=center_id(CITY, "d-west")), request)

    log.before_next = join
    await town.react()
    (event,) = await town.events(IncidentRestricted)
    assert set(event.center_ids) == centers("city", "s-west", "d-west")
