"""Which units would be sent, with reasons, and what is missing, with reasons."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from dispatch.ports import UnitPosition
from domain.assignment.events import AssignmentDeclined, AssignmentMade, UnitReserved, UnitWentOffDuty
from domain.event import GeoPoint
from domain.identifiers import center_id, companion_of, named
from domain.incident.diversion import UnitDiverted
from domain.incident.events import IncidentOpened
from domain.incident.plan_events import UnitsRecommended
from domain.ownership import Ownership
from domain.vocabulary import UnitKind
from tests.workers.town import CITY, EAST, WEST, AlertKind, MessageStatus, Town, north_of, sample_rulebook, with_rule


async def say(town: Town, unit: UUID, point: GeoPoint) -> None:
    town.positions.known[unit] = UnitPosition(unit, point, town.clock.now(), "radio")


async def recommended(town: Town) -> UnitsRecommended:
    await town.alert(AlertKind.INTRUSION)
    await town.react()
    *_, last = await town.events(UnitsRecommended)
    return last


def reasons(event: UnitsRecommended, unit: UUID) -> list[str]:
    (candidate,) = [each for each in event.candidates if each.id == str(unit)]
    return [reason.code for reason in candidate.reasons]


async def test_the_nearest_free_suitable_unit_is_recommended_on_the_companion_stream():
    town = await Town().found()
    await town.unit("P-far", north_of(WEST, 4_000))
    near = await town.unit("P-near", north_of(WEST, 500))
    event = await recommended(town)

    assert event.unit_ids == (near,)
    assert event.shortfalls == ()
    (opened,) = await town.facts(IncidentOpened)
    (fact,) = await town.facts(UnitsRecommended)
    assert fact.stream_id == companion_of(opened.stream_id)
    assert fact.envelope.rule_version == 1


async def test_a_position_counts_by_its_age():
    town = await Town().found()
    stale = await town.unit("P-stale", EAST)
    fresh = await town.unit("P-fresh", EAST)
    await say(town, stale, north_of(WEST, 100))
    town.clock.advance(seconds=120 + 300)
    await say(town, fresh, north_of(WEST, 1_000))
    event = await recommended(town)

    assert event.unit_ids == (fresh,)  # 300 s beyond stale at 5 m/s are worth 1,500 m
    assert "recommendation.position_stale" in reasons(event, stale)
    (candidate,) = [each for each in event.candidates if each.id == str(stale)]
    assert candidate.age_s == 420


async def test_a_useless_position_is_no_belief_and_the_home_is_taken():
    town = await Town().found()
    lost = await town.unit("P-lost", north_of(WEST, 3_000))
    await say(town, lost, WEST)
    town.clock.advance(hours=1)
    event = await recommended(town)

    assert event.unit_ids == (lost,)
    assert "recommendation.position_useless_home_taken" in reasons(event, lost)
    (candidate,) = event.candidates
    assert abs(candidate.distance_m - 3_000) < 5


async def test_a_less_preferred_kind_is_taken_when_it_is_much_nearer():
    town = await Town().found()
    await town.unit("P-car", north_of(WEST, 3_000))
    foot = await town.unit("P-foot", north_of(WEST, 500), kind=UnitKind.FOOT_PATROL)
    assert (await recommended(town)).unit_ids == (foot,)


async def test_busy_unskilled_and_distant_units_are_named_as_missing():
    town = await Town().found()
    busy = await town.unit("P-busy", WEST)
    await town.unit("P-unskilled", WEST, skills=())
    await town.unit("P-distant", GeoPoint(lon=104.02, lat=30.9))
    owner = Ownership(center_id=center_id(CITY, "s-west"), path=(center_id(CITY, "s-west"),))
    await town.record(
        busy,
        AssignmentMade(
            assignment_id=named("test", "1"),
            incident_id=named("test", "2"),
            incident_number="CD-1",
            incident_owner=owner,
            unit_id=busy,
            agency="police",
            call_sign="P-busy",
        ),
    )
    event = await recommended(town)

    assert event.unit_ids == ()
    assert [reason.code.removeprefix("recommendation.") for reason in event.shortfalls] == [
        "too_few",
        "busy",
        "lacks_skill",
        "too_far",
    ]


async def test_nobody_on_duty_and_nobody_registered_are_told_apart():
    town = await Town().found()
    event = await recommended(town)
    assert [reason.code for reason in event.shortfalls][-1] == "recommendation.none_registered"

    unit = await town.unit("P-1", WEST)
    await town.record(unit, UnitWentOffDuty())
    await town.alert(AlertKind.INTRUSION, point=EAST)
    await town.react()
    *_, event = await town.events(UnitsRecommended)
    assert [reason.code for reason in event.shortfalls][-1] == "recommendation.none_on_duty"


async def test_an_exercise_sends_nobody():
    town = await Town().found()
    await town.unit("P-1", WEST)
    await town.alert(AlertKind.INTRUSION, status=MessageStatus.EXERCISE)
    await town.react()
    assert await town.events(UnitsRecommended) == []


async def test_a_crew_that_cannot_go_brings_a_new_recommendation():
    town = await Town().found()
    first = await town.unit("P-1", WEST)
    event = await recommended(town)
    await town.record(
        first, AssignmentDeclined(assignment_id=named("test", "1"), incident_id=event.incident_id, reason="flat tyre")
    )
    await town.react()
    assert len(await town.events(UnitsRecommended)) == 2


async def test_a_changed_rule_recommends_more_with_no_code():
    rules = sample_rulebook()
    response = [{"agency": "police", "unit_kinds": ["patrol_car"], "units": 2}]
    town = await Town().found(with_rule(rules, "security.intrusion", response=response))
    for number in range(3):
        await town.unit(f"P-{number}", north_of(WEST, 100 * number))
    assert len((await recommended(town)).unit_ids) == 2


async def test_a_unit_that_is_kept_for_something_is_not_recommended_meanwhile():
    town = await Town().found()
    kept = await town.unit("P-kept", WEST)
    away = await town.unit("P-away", north_of(WEST, 900))
    begins_at = town.clock.now() + timedelta(hours=1)
    owner = Ownership(center_id=center_id(CITY, "s-west"), path=(center_id(CITY, "s-west"),))
    reserved = UnitReserved(
        reservation_id=named("test", "1"),
        purpose="a match",
        center=owner,
        begins_at=begins_at,
        ends_at=begins_at + timedelta(hours=1),
    )
    await town.record(kept, reserved)
    chosen = [(await recommended(town)).unit_ids]
    for _ in range(2):
        town.clock.advance(minutes=61)
        await town.alert(AlertKind.INTRUSION, point=WEST)
        await town.react()
        chosen.append((await town.events(UnitsRecommended))[-1].unit_ids)
    assert chosen == [(kept,), (away,), (kept,)]
    assert "recommendation.reserved" in reasons((await town.events(UnitsRecommended))[1], kept)


async def test_an_incident_that_lost_its_unit_is_recommended_another():
    town = await Town().found()
    first = await town.unit("P-1", WEST)
    incident_id = (await recommended(town)).incident_id
    diverted = UnitDiverted(
        unit_id=first,
        call_sign="P-1",
        agency="police",
        assignment_id=named("test", "1"),
        to_incident_id=named("test", "2"),
        to_number="CD-2",
        reason="a life is at stake",
    )
    await town.record(incident_id, diverted)
    await town.react()
    events = await town.events(UnitsRecommended)
    assert [event.incident_id for event in events] == [incident_id, incident_id]
