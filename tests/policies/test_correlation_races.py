"""People act at any moment, also between a judgement and its recording: no alert ends in a file that was closed.

A fold carries no version. If somebody ended the incident a moment before, the alert must be judged again; and whatever
people do (merge, un-merge, move, reopen), the index in memory stays the one that the log tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.handling.commitments import Commitments
from dispatch.handling.incidents import IncidentDesk
from dispatch.handling.scribe import Request, as_fact
from dispatch.store.memory import MemoryRoster
from domain.alert.events import AlertsRecordedOnly, AlertsWaited
from domain.event import Actor, Place
from domain.identifiers import named
from domain.incident import events as incident
from domain.incident.commands import (
    AcceptIncident,
    ClassifyIncident,
    CloseIncident,
    DismissIncident,
    RelocateIncident,
    ReopenIncident,
    ResolveIncident,
)
from domain.refusals import DispatchError
from domain.vocabulary import ActorKind, AlertKind, DismissReason, Disposition, Severity
from tests.policies.test_correlation_properties import SPOTS, a_rebuilt_index_is_the_live_one
from tests.workers.town import HandClock, RacingLog, Town

ACTS = ["dismiss", "gone", "resolve", "close", "reopen", "relocate", "classify", "merge", "unmerge"]
acts = st.tuples(st.sampled_from(ACTS), st.integers(0, 5))
alerts = st.tuples(
    st.sampled_from([AlertKind.INTRUSION, AlertKind.SMOKE_FIRE]), st.sampled_from(SPOTS[:2]), st.sampled_from(Severity)
)
steps = st.one_of(
    st.tuples(st.just("alert"), alerts),
    st.tuples(st.just("act"), acts),
    st.tuples(st.just("race"), acts),
    st.tuples(st.just("work"), st.none()),
)


class People:
    """They do what is asked if the rules allow it, and shrug if not."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.desk = IncidentDesk(town.scribe, town.directory, Commitments(town.log, MemoryRoster()))
        self.count = 0

    async def do(self, act: str, number: int) -> None:
        opened = [fact.stream_id for fact in await self.town.facts(incident.IncidentOpened)]
        if not opened:
            return
        target, other = opened[number % len(opened)], opened[(number + 1) % len(opened)]
        with suppress(DispatchError):
            await self._do(act, target, other)

    async def _do(self, act: str, target: UUID, other: UUID) -> None:
        if act == "merge":
            await self.desk.merge(target, other, self._request())
            return
        if act == "unmerge":
            await self.desk.unmerge(target, self._request())
            return
        owner = (await self.desk.state(target)).state.owner
        assert owner is not None
        commands = {
            "dismiss": [DismissIncident(reason=DismissReason.FALSE_ALARM)],
            "gone": [DismissIncident(reason=DismissReason.GONE_ON_ARRIVAL)],
            "resolve": [AcceptIncident(center_id=owner.center_id), ResolveIncident(disposition=Disposition.HANDLED)],
            "close": [CloseIncident()],
            "reopen": [ReopenIncident(reason="It came back.")],
            "relocate": [RelocateIncident(place=Place(point=SPOTS[4]))],
            "classify": [ClassifyIncident(category="fire.alarm", severity=Severity.EXTREME, priority=0)],
        }[act]
        for command in commands:
            await self.desk.execute(target, command, self._request())

    def _request(self) -> Request:
        self.count += 1
        return Request(
            actor=Actor(kind=ActorKind.OPERATOR, id="somebody"),
            received_at=self.town.clock.now(),
            request_id=named("act", str(self.count)),
        )


ENDED: dict[type, bool | None] = {
    incident.IncidentResolved: True,
    incident.IncidentClosed: True,
    incident.IncidentReopened: False,
}


async def no_alert_ends_in_a_file_that_was_ended(town: Town) -> None:
    """In log order: a fold into an ended incident is followed by another end of each of its alerts."""
    ended: dict[UUID, bool] = {}
    before_merge: dict[UUID, bool] = {}
    owed: set[int] = set()
    rows = await town.log.read_after(0, limit=100_000)
    for fact in map(as_fact, rows):
        match fact.event:
            case incident.IncidentOpened(cause=cause):
                ended[fact.stream_id] = False
                owed -= set(cause.alert_positions)
            case incident.IncidentDismissed(reason=reason):
                ended[fact.stream_id] = reason is DismissReason.GONE_ON_ARRIVAL
            case incident.IncidentMerged():
                before_merge[fact.stream_id], ended[fact.stream_id] = ended[fact.stream_id], False
            case incident.IncidentUnmerged():
                ended[fact.stream_id] = before_merge.pop(fact.stream_id)
            case incident.AlertsFolded(incident_id=incident_id, alerts=folded):
                positions = {alert.position for alert in folded}
                owed = owed | positions if ended[incident_id] else owed - positions
            case AlertsWaited(alerts=alerts) | AlertsRecordedOnly(alerts=alerts):
                owed -= {alert.position for alert in alerts}
            case event if type(event) in ENDED:
                ended[fact.stream_id] = bool(ENDED[type(event)])
            case _:
                pass
    assert not owed, f"alerts at {sorted(owed)} were left in ended incidents"


async def play(story: list[tuple[str, object]]) -> None:
    clock = HandClock()
    log = RacingLog(clock)
    town = await Town(log, clock).found()
    people = People(town)
    for kind, given_by in story:
        clock.advance(seconds=5)
        if kind == "alert":
            alert_kind, point, severity = given_by  # type: ignore[misc]
            await town.alert(alert_kind, point=point, severity=severity)
        elif kind == "act":
            await people.do(*given_by)  # type: ignore[misc]
        elif kind == "race":
            log.before_next = racing(people, *given_by)  # type: ignore[misc]
        else:
            await town.runners[0].drain()
    await town.runners[0].drain()
    log.before_next = None
    await town.runners[0].drain()
    await no_alert_ends_in_a_file_that_was_ended(town)
    await a_rebuilt_index_is_the_live_one(town)


def racing(people: People, act: str, number: int) -> Callable[[], Awaitable[None]]:
    return lambda: people.do(act, number)


@settings(max_examples=200)
@given(st.lists(steps, min_size=3, max_size=40))
def test_people_who_act_in_between_leave_no_alert_behind(story):
    asyncio.run(play(story))


def test_an_alert_that_came_too_late_to_fold_may_wait_below_the_threshold():
    intrusion = (AlertKind.INTRUSION, SPOTS[0])
    story = [("alert", (*intrusion, Severity.UNKNOWN)), ("work", None), ("alert", (*intrusion, Severity.MINOR))]
    asyncio.run(play([*story, ("race", ("gone", 0))]))


def test_the_race_is_really_run():
    """The story that the property is about, so that it cannot pass by never meeting it."""
    alert = ("alert", (AlertKind.SMOKE_FIRE, SPOTS[0], Severity.UNKNOWN))
    asyncio.run(play([alert, ("work", None), alert, ("race", ("resolve", 0)), ("work", None)]))
