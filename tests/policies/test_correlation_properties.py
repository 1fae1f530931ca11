"""Whatever arrives in whatever order: every alert has one end, no rise is hidden, and it comes out the same again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.alert.events import AlertReceived, AlertsRecordedOnly, AlertsWaited
from domain.event import GeoPoint
from domain.incident import decider as incident
from domain.incident.commands import AcceptIncident, CloseIncident, DismissIncident, ResolveIncident
from domain.incident.events import AlertsFolded, IncidentOpened, SeverityRaised
from domain.refusals import Refusal
from domain.vocabulary import AlertKind, AlertPhase, DismissReason, Disposition, MessageStatus, Severity
from tests.workers.town import NOON, Town, warning

SPOTS = [GeoPoint(lon=104.02 + 0.0007 * index, lat=30.70) for index in range(5)]
KINDS = [
    AlertKind.INTRUSION,
    AlertKind.MOTION,
    AlertKind.SMOKE_FIRE,
    AlertKind.ILLEGAL_STALL,
    AlertKind.WATERLOGGING,
    AlertKind.VIDEO_LOSS,
    AlertKind.PUBLIC_WARNING,
]
messages = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(KINDS),
        "severity": st.sampled_from(Severity),
        "point": st.sampled_from([*SPOTS, None]),
        "status": st.sampled_from([MessageStatus.ACTUAL] * 6 + [MessageStatus.EXERCISE, MessageStatus.TEST]),
        "phase": st.sampled_from([AlertPhase.SINGLE, AlertPhase.SINGLE, AlertPhase.END]),
        "source": st.sampled_from(["gateway-1", "gateway-2"]),
        "after_s": st.sampled_from([0, 1, 30, 400, 2_000, -500]),
        "repeats": st.sampled_from([None, None, 1, 2]),
        "message_type": st.sampled_from(["Alert", "Update", "Cancel"]),
    }
)
acts = st.sampled_from(["page", "dismiss", "close", "restart"])
stories = st.lists(st.one_of(messages, acts), min_size=1, max_size=40)


async def told(story: list[object]) -> Town:
    """Play a story: messages arrive, reactors work, people decide, the worker is restarted."""
    town = await Town().found()
    at = NOON
    for step in story:
        if isinstance(step, dict):
            at += timedelta(seconds=step["after_s"])
            town.clock.advance(seconds=max(0, step["after_s"]))
            await arrive(town, step, at)
        elif step == "restart":
            town.restart()
        else:
            await town.runners[0].drain()
            await decide(town, str(step))
    await town.runners[0].drain()
    return town


async def arrive(town: Town, step: dict, at) -> None:
    fields = {key: value for key, value in step.items() if key in ("severity", "point", "status", "phase", "source")}
    if step["repeats"] is not None:
        fields["source_event_id"] = f"repeated-{step['repeats']}"
    if step["kind"] is AlertKind.PUBLIC_WARNING:
        identifier = f"warning-{step['repeats']}"
        references = ("weather@example,warning-1,2026-07-01T00:00:00Z",) if step["message_type"] != "Alert" else ()
        fields |= warning(identifier, message_type=step["message_type"], references=references)
    await town.alert(step["kind"], at=at, **fields)


async def decide(town: Town, act: str) -> None:
    """A person ends the youngest incident, if that is still possible."""
    opened = await town.facts(IncidentOpened)
    if not opened or act == "page":
        return
    fact = opened[-1]
    commands = {
        "dismiss": [DismissIncident(reason=DismissReason.FALSE_ALARM)],
        "close": [
            AcceptIncident(center_id=fact.event.owner.center_id),
            ResolveIncident(disposition=Disposition.HANDLED),
            CloseIncident(),
        ],
    }[act]
    for command in commands:
        loaded = await town.scribe.load(fact.stream_id, incident.INITIAL, incident.evolve)
        decided = incident.decide(command, loaded.state)
        if not isinstance(decided, Refusal):
            await town.record(fact.stream_id, *decided, expected_version=loaded.version)


async def every_alert_has_one_end(town: Town) -> None:
    ends = [event.cause.alert_positions[-1] for event in await town.events(IncidentOpened)]
    for event in await town.events(AlertsFolded):
        ends += [alert.position for alert in event.alerts]
    waited = [alert.position for event in await town.events(AlertsWaited) for alert in event.alerts]
    ends += waited
    ends += [alert.position for event in await town.events(AlertsRecordedOnly) for alert in event.alerts]
    rows = await town.log.read_after(0, limit=100_000, topics=["alert.received", "alert.revised"])
    assert sorted(ends) == [row.position for row in rows]
    for event in await town.events(IncidentOpened):
        assert set(event.cause.alert_positions[:-1]) <= set(waited)


async def no_rise_is_hidden(town: Town) -> None:
    worst: dict[UUID, Severity] = {}
    for fact in await town.facts(IncidentOpened):
        worst[fact.stream_id] = fact.event.severity
    for fact in await town.facts(SeverityRaised):
        assert fact.event.from_severity == worst[fact.stream_id] < fact.event.to_severity
        worst[fact.stream_id] = fact.event.to_severity
    for event in await town.events(AlertsFolded):
        for alert in event.alerts:
            assert alert.severity <= worst[event.incident_id]


async def a_rebuilt_index_is_the_live_one(town: Town) -> None:
    tip = (await town.log.tip()).position
    await town.correlator.decide([])
    live = town.correlator.index
    town.restart()
    await town.correlator.prepare(tip)
    rebuilt = town.correlator.index
    assert rebuilt.incidents == live.incidents
    assert rebuilt.waiting == live.waiting
    assert (rebuilt.horizon, rebuilt.by_warning) == (live.horizon, live.by_warning)
    assert rebuilt.late_folds == live.late_folds == {}


@settings(max_examples=150)
@given(stories)
def test_every_alert_has_one_end_and_no_rise_is_hidden(story):
    async def play() -> None:
        town = await told(story)
        await every_alert_has_one_end(town)
        await no_rise_is_hidden(town)
        await a_rebuilt_index_is_the_live_one(town)

    asyncio.run(play())


async def ends(town: Town) -> list[tuple[object, ...]]:
    """Where each alert ended, in words that do not depend on positions of the effects."""
    opened = await town.facts(IncidentOpened)
    found: list[tuple[object, ...]] = [("opened", fact.stream_id, fact.event.cause.alert_ids) for fact in opened]
    for event in await town.events(AlertsFolded):
        found += [("folded", event.incident_id, alert.alert_id, alert.reason) for alert in event.alerts]
    for event in await town.events(AlertsWaited):
        found += [("waited", alert.alert_id, alert.reason) for alert in event.alerts]
    raised = await town.facts(SeverityRaised)
    found += [("raised", fact.stream_id, fact.event.from_severity, fact.event.to_severity) for fact in raised]
    return sorted(found, key=repr)


@settings(max_examples=80)
@given(st.lists(messages, min_size=1, max_size=30), st.integers(1, 7))
def test_where_pages_end_makes_no_difference(arrivals, page_size):
    async def play() -> None:
        at_once = await told(arrivals)
        paged = []
        for index, message in enumerate(arrivals):
            paged += [message, *(["page"] if index % page_size == 0 else []), *(["restart"] if index % 5 == 4 else [])]
        assert await ends(await told(paged)) == await ends(at_once)

    asyncio.run(play())


def test_an_alert_that_waited_and_was_met_in_one_page_opens_no_second_incident():
    """Found by the property above: after the page, the index folded from the log let it wait again."""

    async def play() -> None:
        stall = {**BASE, "kind": AlertKind.ILLEGAL_STALL, "severity": Severity.UNKNOWN}
        places = [GeoPoint(lon=lon, lat=30.7) for lon in (104.0207, 104.0214, 104.02)]
        first, second, third = ({**stall, "point": place} for place in places)
        town = await told([first, second, "page", "restart", third])
        assert len(await town.facts(IncidentOpened)) == 1

    asyncio.run(play())


def test_alerts_are_what_hypothesis_makes_of_them():
    """The strategy reaches every end, or the properties above would prove little."""

    async def play() -> None:
        story = [
            {**BASE, "kind": AlertKind.SMOKE_FIRE},
            {**BASE, "kind": AlertKind.SMOKE_FIRE, "severity": Severity.EXTREME},
            {**BASE, "kind": AlertKind.MOTION},
            {**BASE, "kind": AlertKind.VIDEO_LOSS},
        ]
        town = await told(story)
        for kind in (AlertReceived, IncidentOpened, AlertsFolded, SeverityRaised, AlertsWaited, AlertsRecordedOnly):
            assert await town.events(kind)

    asyncio.run(play())


BASE = {
    "severity": Severity.UNKNOWN,
    "point": SPOTS[0],
    "status": MessageStatus.ACTUAL,
    "phase": AlertPhase.SINGLE,
    "source": "gateway-1",
    "after_s": 1,
    "repeats": None,
    "message_type": "Alert",
}
