"""Incidents reach those who must know and act, explained, and the same again when made again."""

from __future__ import annotations

from dispatch.workers.repeat import Repeater
from domain.event import Place
from domain.identifiers import center_id
from domain.incident.commands import AcceptIncident, ClassifyIncident, DismissIncident, RelocateIncident, ReopenIncident
from domain.incident.events import IncidentOpened, IncidentRouted
from domain.vocabulary import AgencyRole, DismissReason
from tests.workers.town import (
    CITY,
    EAST,
    WEST,
    AlertKind,
    HandClock,
    MessageStatus,
    RacingLog,
    Severity,
    Town,
    sample_rulebook,
    with_rule,
)


def told(routed: IncidentRouted) -> set[tuple[str, str, str]]:
    names = {center_id(CITY, code): code for code in CODES}
    return {(each.agency, names[each.center_id], each.role.value) for each in routed.recipients}


CODES = (
    "city",
    "d-west",
    "b-east",
    "s-west",
    "s-mid",
    "s-east",
    "dept-traffic-police",
    "dept-urban-management",
    "dept-flood-control",
    "dept-fire",
)


async def test_abnormal_traffic_tells_traffic_police_and_the_branch_at_the_same_moment():
    town = await Town().found()
    await town.alert(AlertKind.CONGESTION, point=EAST, severity=Severity.MODERATE)
    await town.react()

    (opened,) = await town.facts(IncidentOpened)
    (routed,) = await town.facts(IncidentRouted)
    assert told(routed.event) == {
        ("traffic_police", "dept-traffic-police", "responsible"),
        ("police", "b-east", "informed"),
    }
    assert routed.event.owner == opened.event.owner
    assert routed.event.owner.center_id == center_id(CITY, "dept-traffic-police")
    assert routed.version == 2


async def test_an_event_goes_to_its_locality_first_and_a_component_to_its_owner_first():
    town = await Town().found()
    await town.alert(AlertKind.ILLEGAL_STALL, severity=Severity.SEVERE)
    await town.alert(AlertKind.FACILITY_DAMAGE)
    await town.react()

    stall, damage = await town.events(IncidentRouted)
    assert stall.owner.center_id == center_id(CITY, "d-west")
    assert damage.owner.center_id == center_id(CITY, "dept-urban-management")
    assert damage.explanation.candidates[0].chosen
    assert told(damage) == {
        ("urban_management", "dept-urban-management", "responsible"),
        ("police", "s-west", "supporting"),
        ("police", "d-west", "informed"),
    }


async def test_every_routing_has_one_dispatcher_of_record():
    town = await Town().found()
    for number, kind in enumerate(AlertKind):
        await town.alert(kind, severity=Severity.EXTREME, point=EAST if number % 2 else WEST)
    await town.react()

    routed = await town.events(IncidentRouted)
    assert len(routed) > 10
    for event in routed:
        assert [each.role for each in event.recipients].count(AgencyRole.RESPONSIBLE) == 1


async def test_an_exercise_asks_nobody_to_act_and_nothing_falls_due():
    town = await Town().found()
    await town.alert(AlertKind.SMOKE_FIRE, status=MessageStatus.EXERCISE)
    await town.react()

    (routed,) = await town.events(IncidentRouted)
    assert {each.role for each in routed.recipients} == {AgencyRole.INFORMED}
    assert routed.accept_by is None


async def test_a_classification_is_routed_anew_and_never_gives_more_time():
    town = await Town().found()
    await town.alert(AlertKind.INTRUSION)
    await town.react()
    (opened,) = await town.facts(IncidentOpened)
    town.clock.advance(seconds=60)
    await town.decide(opened.stream_id, ClassifyIncident(category="order.dispute", severity=Severity.MINOR, priority=6))
    await town.react()
    first, *others = await town.events(IncidentRouted)
    assert others == []  # same owner, same recipients, the deadline it had: nothing new to say

    await town.decide(
        opened.stream_id, ClassifyIncident(category="traffic.accident", severity=Severity.MINOR, priority=3)
    )
    await town.react()
    _, second = await town.events(IncidentRouted)
    assert second.owner.center_id == center_id(CITY, "dept-traffic-police")
    assert second.accept_by < first.accept_by


async def test_an_accepted_incident_keeps_its_owner_when_it_is_classified():
    town = await Town().found()
    await town.alert(AlertKind.INTRUSION)
    await town.react()
    (opened,) = await town.facts(IncidentOpened)
    await town.decide(opened.stream_id, AcceptIncident(center_id=center_id(CITY, "s-west")))
    await town.decide(opened.stream_id, ClassifyIncident(category="fire.alarm", severity=Severity.SEVERE, priority=1))
    await town.react()

    *_, routed = await town.events(IncidentRouted)
    assert routed.owner.center_id == center_id(CITY, "s-west")
    assert routed.accept_by is None
    assert ("fire", "dept-fire", "responsible") in told(routed)


async def test_a_corrected_place_moves_an_incident_that_nobody_has_taken():
    town = await Town().found()
    await town.alert(AlertKind.INTRUSION)
    await town.react()
    (opened,) = await town.facts(IncidentOpened)
    await town.decide(opened.stream_id, RelocateIncident(place=Place(point=EAST)))
    await town.react()

    *_, routed = await town.events(IncidentRouted)
    assert routed.owner.center_id == center_id(CITY, "s-east")


async def test_a_reopened_incident_has_its_full_time_again():
    town = await Town().found()
    await town.alert(AlertKind.INTRUSION)
    await town.react()
    (opened,) = await town.facts(IncidentOpened)
    await town.decide(opened.stream_id, DismissIncident(reason=DismissReason.UNFOUNDED))
    town.clock.advance(hours=1)
    await town.decide(opened.stream_id, ReopenIncident(reason="It was real."))
    await town.react()

    *_, routed = await town.events(IncidentRouted)
    assert routed.accept_by > town.clock.now()


async def test_every_recorded_routing_comes_out_the_same_when_made_again():
    town = await Town().found()
    for kind in AlertKind:
        await town.alert(kind, severity=Severity.SEVERE)
        town.clock.advance(seconds=7)
        await town.react()
    for opened in await town.facts(IncidentOpened):
        town.clock.advance(seconds=7)
        await town.decide(opened.stream_id, RelocateIncident(place=Place(point=EAST)))
    await town.react()
    await town.publish(with_rule(sample_rulebook(), "security.intrusion", owner="city"))

    repeater = Repeater(log=town.log, directory=town.directory, clock=town.clock)
    recorded = await town.facts(IncidentRouted)
    assert len(recorded) > 20
    for fact in recorded:
        assert await repeater.repeats(fact)


async def test_a_changed_rule_changes_the_owner_with_no_code():
    town = await Town().found(with_rule(sample_rulebook(), "security.intrusion", owner="city"))
    await town.alert(AlertKind.INTRUSION)
    await town.react()

    (routed,) = await town.facts(IncidentRouted)
    assert routed.event.owner.center_id == center_id(CITY, "city")
    assert routed.envelope.rule_version == 2


async def test_a_person_who_decides_in_between_is_heard():
    clock = HandClock()
    log = RacingLog(clock)
    town = await Town(log, clock).found()
    await town.alert(AlertKind.INTRUSION)
    await town.runners[0].drain()
    (opened,) = await town.facts(IncidentOpened)

    async def classify() -> None:
        command = ClassifyIncident(category="fire.alarm", severity=Severity.SEVERE, priority=1)
        await town.decide(opened.stream_id, command)

    log.before_next = classify
    await town.react()

    (routed,) = await town.facts(IncidentRouted)
    assert routed.version == 3
    assert ("fire", "dept-fire", "responsible") in told(routed.event)
