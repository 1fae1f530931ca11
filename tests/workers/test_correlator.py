"""Alerts become incidents: once each, whatever crashes, and never hiding that something got worse."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from dispatch.handling.commitments import Commitments
from dispatch.handling.incidents import IncidentDesk
from dispatch.handling.scribe import Request
from dispatch.ports import AppendCommand, Verdict
from dispatch.store.memory import MemoryLog, MemoryRoster
from domain.alert.events import AlertsRecordedOnly, AlertsWaited
from domain.event import Actor
from domain.identifiers import center_id, companion_of, named
from domain.incident.commands import AcceptIncident, ClassifyIncident, CloseIncident, DismissIncident, ResolveIncident
from domain.incident.events import AlertsFolded, IncidentOpened, NumberAllocated, SeverityRaised
from domain.policies.correlation_index import CorrelationIndex
from domain.refusals import Unavailable
from domain.vocabulary import ActorKind, DismissReason, Disposition
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
    north_of,
    sample_rulebook,
    with_rule,
)

FIRE = AlertKind.SMOKE_FIRE


async def test_two_alerts_at_once_for_one_spot_open_one_incident():
    town = await Town().found()
    first = await town.alert(FIRE)
    second = await town.alert(FIRE, point=north_of(WEST, 30))

    await town.react()

    (opened,) = await town.facts(IncidentOpened)
    assert opened.event.cause.alert_ids == (first,)
    assert opened.event.number == "CD-20260701-0001"
    assert opened.event.owner.center_id == center_id(CITY, "d-west")
    assert opened.envelope.rule_version == 1
    (folded,) = await town.events(AlertsFolded, companion_of(opened.stream_id))
    assert [alert.alert_id for alert in folded.alerts] == [second]
    assert folded.alerts[0].reason == "correlation.near"
    assert abs(folded.alerts[0].distance_m - 30) < 0.5


async def test_a_page_is_one_command_with_its_mark_and_its_numbers():
    town = await Town().found()
    await town.alert(FIRE)
    await town.alert(FIRE, point=EAST)
    tip = (await town.log.tip()).position

    await town.runners[0].drain()

    numbers = await town.events(NumberAllocated)
    assert [number.number for number in numbers] == ["CD-20260701-0001", "CD-20260701-0002"]
    assert await town.log.mark("correlator") == tip


async def test_a_waiting_alert_is_in_the_cause_of_the_incident_it_helped_to_open():
    town = await Town().found()
    waiting = [await town.alert(AlertKind.MOTION) for _ in range(2)]
    await town.react()
    assert await town.events(IncidentOpened) == []
    (waited,) = await town.events(AlertsWaited)
    assert [alert.alert_id for alert in waited.alerts] == waiting

    last = await town.alert(AlertKind.LOITERING)
    await town.react()

    (opened,) = await town.events(IncidentOpened)
    assert opened.cause.alert_ids == (*waiting, last)
    assert [reason.code for reason in opened.explanation.reasons] == ["correlation.opened_by_count"]


async def test_a_worse_alert_raises_its_incident_in_the_same_command():
    town = await Town().found()
    await town.alert(AlertKind.INTRUSION)
    await town.react()
    await town.alert(AlertKind.INTRUSION, severity=Severity.EXTREME)
    await town.react()

    (opened,) = await town.facts(IncidentOpened)
    (raised,) = await town.facts(SeverityRaised, opened.stream_id)
    (folded,) = await town.facts(AlertsFolded)
    assert (raised.event.from_severity, raised.event.to_severity) == (Severity.MODERATE, Severity.EXTREME)
    assert raised.event.alert_position == folded.event.alerts[0].position
    assert abs(raised.position - folded.position) == 1


async def test_nothing_folds_into_an_incident_that_is_closed():
    town = await Town().found()
    await town.alert(FIRE)
    await town.react()
    (first,) = await town.facts(IncidentOpened)
    await town.decide(first.stream_id, AcceptIncident(center_id=center_id(CITY, "d-west")))
    await town.decide(first.stream_id, ResolveIncident(disposition=Disposition.HANDLED))
    await town.decide(first.stream_id, CloseIncident())

    await town.alert(FIRE)
    await town.react()

    assert len(await town.events(IncidentOpened)) == 2


async def test_a_repeated_false_alarm_stays_quiet_but_a_worse_one_does_not():
    town = await Town().found()
    await town.alert(AlertKind.INTRUSION)
    await town.react()
    (first,) = await town.facts(IncidentOpened)
    await town.decide(first.stream_id, DismissIncident(reason=DismissReason.FALSE_ALARM))

    for _ in range(5):
        town.clock.advance(seconds=60)
        await town.alert(AlertKind.INTRUSION)
        await town.react()
    assert len(await town.events(IncidentOpened)) == 1

    await town.alert(AlertKind.INTRUSION, severity=Severity.SEVERE)
    await town.react()
    assert [event.severity for event in await town.events(IncidentOpened)] == [Severity.MODERATE, Severity.SEVERE]


async def test_the_quiet_after_a_false_alarm_ends():
    town = await Town().found()
    await town.alert(AlertKind.INTRUSION)
    await town.react()
    (first,) = await town.facts(IncidentOpened)
    await town.decide(first.stream_id, DismissIncident(reason=DismissReason.FALSE_ALARM))
    for _ in range(4):
        town.clock.advance(seconds=500)
        await town.alert(AlertKind.INTRUSION)
        await town.react()

    assert len(await town.events(IncidentOpened)) == 2


async def test_what_was_gone_on_arrival_may_come_back():
    town = await Town().found()
    await town.alert(AlertKind.INTRUSION)
    await town.react()
    (first,) = await town.facts(IncidentOpened)
    await town.decide(first.stream_id, DismissIncident(reason=DismissReason.GONE_ON_ARRIVAL))
    await town.alert(AlertKind.INTRUSION)
    await town.react()

    assert len(await town.events(IncidentOpened)) == 2


async def test_a_test_and_a_cameras_health_are_recorded_only_with_their_reasons():
    town = await Town().found()
    await town.alert(FIRE, status=MessageStatus.TEST)
    await town.alert(AlertKind.VIDEO_LOSS)
    await town.react()

    assert await town.events(IncidentOpened) == []
    (left,) = await town.events(AlertsRecordedOnly)
    assert [alert.reason for alert in left.alerts] == ["correlation.status_test", "correlation.no_category"]


async def test_an_exercise_never_meets_an_actual_incident():
    town = await Town().found()
    await town.alert(FIRE)
    await town.alert(FIRE, status=MessageStatus.EXERCISE)
    await town.react()

    opened = await town.events(IncidentOpened)
    assert [event.status for event in opened] == [MessageStatus.ACTUAL, MessageStatus.EXERCISE]
    assert await town.events(AlertsFolded) == []


async def test_an_alert_without_a_place_meets_those_of_its_source_and_goes_to_the_catch_all():
    town = await Town().found()
    await town.alert(FIRE, point=None)
    await town.alert(FIRE, point=None)
    await town.alert(FIRE, point=None, source="gateway-2")
    await town.react()

    opened = await town.events(IncidentOpened)
    assert [event.cause.source for event in opened] == ["gateway-1", "gateway-2"]
    assert {event.owner.center_id for event in opened} == {center_id(CITY, "city")}
    (folded,) = await town.events(AlertsFolded)
    assert folded.alerts[0].reason == "correlation.same_source"


async def test_a_restart_rebuilds_the_same_index_and_goes_on():
    town = await Town().found()
    for minute in range(30):
        town.clock.advance(minutes=1)
        await town.alert(AlertKind.MOTION, point=north_of(WEST, 40 * minute))
        await town.alert(AlertKind.INTRUSION, point=north_of(EAST, 70 * minute))
        await town.react()
    (opened, *_) = await town.facts(IncidentOpened)
    await town.decide(opened.stream_id, DismissIncident(reason=DismissReason.FALSE_ALARM))
    await town.correlator.fold_up_to((await town.log.tip()).position)
    live = town.correlator.index

    town.restart()
    await town.correlator.prepare((await town.log.tip()).position)

    assert_same(town.correlator.index, live)


def assert_same(one: CorrelationIndex, other: CorrelationIndex) -> None:
    assert one.incidents == other.incidents
    assert one.waiting == other.waiting
    assert (one.horizon, one.by_warning, one.late_folds) == (other.horizon, other.by_warning, other.late_folds)


class FailingLog(MemoryLog):
    """The world says no a few times, before or after the command was recorded."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__(clock)
        self.fail_before = self.fail_after = 0

    async def append(self, command: AppendCommand) -> Verdict:
        if command.marks and self.fail_before:
            self.fail_before -= 1
            raise Unavailable("log.unavailable", "Gone before it was recorded.")
        verdict = await super().append(command)
        if command.marks and self.fail_after:
            self.fail_after -= 1
            raise Unavailable("log.unavailable", "Gone after it was recorded.")
        return verdict


async def test_a_crash_between_decision_and_append_repeats_nothing():
    clock = HandClock()
    log = FailingLog(clock)
    town = await Town(log, clock).found()
    await town.alert(FIRE)
    log.fail_before = 1
    await stumble(town)
    town.restart()
    await town.react()
    await town.alert(FIRE, point=EAST)
    log.fail_after = 1
    await stumble(town)
    town.restart()
    await town.react()

    assert len(await town.events(IncidentOpened)) == 2
    assert await town.events(AlertsFolded) == []


async def stumble(town: Town) -> None:
    try:
        await town.react()
    except Unavailable:
        return
    raise AssertionError("the log did not fail")


class LosingAnswers(MemoryLog):
    """Records the next command with a mark, and does not say so."""

    loses = False

    async def append(self, command: AppendCommand) -> Verdict:
        verdict = await super().append(command)
        if command.marks and self.loses:
            self.loses = False
            raise Unavailable("store.unavailable", "the answer was lost")
        return verdict


async def test_an_opening_whose_answer_was_lost_is_not_opened_again_though_a_person_made_it_something_else():
    clock = HandClock()
    log = LosingAnswers(clock)
    town = await Town(log, clock).found()
    runner = town.runners[0]
    await town.alert(AlertKind.INTRUSION, severity=Severity.SEVERE)
    log.loses = True
    with pytest.raises(Unavailable):
        await runner.step()
    (opened,) = await town.facts(IncidentOpened)
    await town.decide(opened.stream_id, ClassifyIncident(category="fire.alarm", severity=Severity.SEVERE, priority=1))
    await town.alert(AlertKind.ACCIDENT, point=EAST)
    await runner.drain()

    assert len(await town.facts(IncidentOpened)) == 2
    assert await town.events(AlertsFolded) == []


async def test_a_fold_that_came_after_the_end_is_judged_again():
    """Somebody closes the incident between the judgement and the append: the alert must not end in a closed file."""
    clock = HandClock()
    log = RacingLog(clock)
    town = await Town(log, clock).found()
    await town.alert(FIRE)
    await town.react()
    (first,) = await town.facts(IncidentOpened)
    await town.decide(first.stream_id, AcceptIncident(center_id=center_id(CITY, "d-west")))
    late = await town.alert(FIRE)

    async def resolve() -> None:
        await town.decide(first.stream_id, ResolveIncident(disposition=Disposition.HANDLED))

    log.before_next = resolve
    await town.react()

    opened = await town.facts(IncidentOpened)
    assert len(opened) == 2
    assert opened[1].event.cause.alert_ids == (late,)
    await town.alert(AlertKind.MOTION, point=EAST)
    await town.react()
    assert town.correlator.index.late_folds == {}


async def test_a_rise_that_lost_a_race_is_decided_again():
    clock = HandClock()
    log = RacingLog(clock)
    town = await Town(log, clock).found()
    await town.alert(AlertKind.INTRUSION)
    await town.react()
    (first,) = await town.facts(IncidentOpened)
    await town.alert(AlertKind.INTRUSION, severity=Severity.EXTREME)

    async def accept() -> None:
        await town.decide(first.stream_id, DismissIncident(reason=DismissReason.FALSE_ALARM))

    log.before_next = accept
    await town.react()

    opened = await town.events(IncidentOpened)
    assert [event.severity for event in opened] == [Severity.MODERATE, Severity.EXTREME]


async def test_a_merged_incident_hands_alerts_to_its_head_and_takes_them_itself_when_un_merged():
    town = await Town().found()
    await town.alert(FIRE)
    await town.alert(FIRE, point=north_of(WEST, 500))
    await town.react()
    (merged, head) = await town.facts(IncidentOpened)
    desk = IncidentDesk(town.scribe, town.directory, Commitments(town.log, MemoryRoster()))
    request = Request(
        actor=Actor(kind=ActorKind.OPERATOR, id="somebody"),
        received_at=town.clock.now(),
        request_id=named("test", "merge"),
    )
    await desk.merge(merged.stream_id, head.stream_id, request)
    await town.alert(FIRE)
    await town.react()
    await desk.unmerge(merged.stream_id, replace(request, request_id=named("test", "unmerge")))
    await town.alert(FIRE)
    await town.react()

    folded = await town.events(AlertsFolded)
    assert [event.incident_id for event in folded] == [head.stream_id, merged.stream_id]
    assert [event.alerts[0].reason for event in folded] == ["correlation.head_of_merged", "correlation.near"]


async def test_a_changed_rule_changes_the_outcome_with_no_code():
    town = await Town().found(with_rule(sample_rulebook(), "security.intrusion", correlation__radius_m=10.0))
    await town.alert(AlertKind.INTRUSION)
    await town.alert(AlertKind.INTRUSION, point=north_of(WEST, 30))
    await town.react()
    assert len(await town.events(IncidentOpened)) == 2

    await town.publish(
        with_rule(with_rule(sample_rulebook(), "other.unclassified"), "security.intrusion", correlation__radius_m=99.0)
    )
    await town.alert(AlertKind.INTRUSION, point=north_of(WEST, 90))
    await town.react()
    assert len(await town.events(IncidentOpened)) == 2


async def test_an_incident_older_than_the_retention_time_is_read_when_something_names_it():
    town = await Town().found()
    await town.alert(FIRE)
    await town.react()
    (first,) = await town.facts(IncidentOpened)
    for _ in range(12):
        town.clock.advance(hours=6)
        await town.alert(FIRE, point=EAST)
        await town.react()
    await town.alert(FIRE, point=None, at=town.clock.now() - timedelta(days=30))
    await town.decide(first.stream_id, DismissIncident(reason=DismissReason.UNFOUNDED))
    await town.react()

    town.restart()
    await town.alert(FIRE)
    await town.react()

    assert first.stream_id in town.correlator.index.incidents
    assert len(await town.events(IncidentOpened)) == 15
