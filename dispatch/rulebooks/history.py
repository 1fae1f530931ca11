"""What happened between two positions of the log, as far as other rules could have made it happen otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from dispatch.ports import EventLog
from dispatch.workers.repeat import JUDGEMENTS
from dispatch.workers.repeat import known as known_up_to
from domain.alert.events import AlertReceived, AlertRevised, AlertsRecordedOnly, AlertsWaited
from domain.assignment.events import AssignmentMade
from domain.codec import Undecodable, for_fold
from domain.event import Event, Fact
from domain.incident.events import AlertsFolded, IncidentOpened, IncidentRouted
from domain.policies import correlation_index
from domain.policies.escalation import ENDS_ACCEPT, ENDS_ACKNOWLEDGE

ALERTS = (AlertReceived, AlertRevised)
TOPICS = tuple(
    sorted(
        {event.name for event in (*ALERTS, AssignmentMade, IncidentRouted, *ENDS_ACKNOWLEDGE)}
        | set(correlation_index.TOPICS)
    )
)
PAGE_EVENTS = 5_000


@dataclass(slots=True)
class Deadline:
    """Something that was to be answered: when that began and when it was (None: not by the end of what was read)."""

    incident_id: UUID
    rule_version: int | None
    began_at: datetime
    answered_at: datetime | None = None

    def is_missed(self, allowed_s: int, now: datetime) -> bool:
        """Whether it took longer than that, an answer that is still awaited included."""
        return ((self.answered_at or now) - self.began_at).total_seconds() > allowed_s


@dataclass(slots=True)
class Story:
    """An incident as it was opened, and by which rules."""

    incident_id: UUID
    opened: IncidentOpened
    opened_position: int
    occurred_at: datetime
    rule_version: int | None


@dataclass(slots=True)
class History:
    """Folded as it is read."""

    events: int = 0
    alerts: int = 0
    unreadable: int = 0
    until: datetime | None = None
    stories: dict[UUID, Story] = field(default_factory=dict)
    acceptances: dict[UUID, Deadline] = field(default_factory=dict)
    """By incident: from its first routing on."""
    acknowledgements: dict[UUID, Deadline] = field(default_factory=dict)
    """By assignment."""

    def take(self, fact: Fact[Event]) -> None:
        """Fold one fact."""
        event = fact.gist()
        self.events += 1
        self.until = fact.recorded_at
        if isinstance(event, ALERTS):
            self.alerts += 1
        elif isinstance(event, IncidentOpened):
            rule_version = fact.envelope.rule_version
            self.stories[fact.stream_id] = Story(fact.stream_id, event, fact.position, fact.occurred_at, rule_version)
        elif isinstance(event, IncidentRouted):
            if fact.stream_id in self.stories and event.accept_by is not None:
                began = Deadline(fact.stream_id, fact.envelope.rule_version, fact.occurred_at)
                self.acceptances.setdefault(fact.stream_id, began)
        elif isinstance(event, AssignmentMade):
            if event.incident_id in self.stories:
                began = Deadline(event.incident_id, fact.envelope.rule_version, fact.occurred_at)
                self.acknowledgements[event.assignment_id] = began
        elif isinstance(event, ENDS_ACCEPT):
            _answered(self.acceptances.get(fact.stream_id), fact.occurred_at)
        elif isinstance(event, ENDS_ACKNOWLEDGE):
            _answered(self.acknowledgements.get(event.assignment_id), fact.occurred_at)


def _answered(deadline: Deadline | None, at: datetime) -> None:
    if deadline is not None and deadline.answered_at is None:
        deadline.answered_at = at


async def pages(
    log: EventLog, after_position: int, up_to_position: int, topics: Sequence[str] = TOPICS
) -> AsyncIterator[tuple[list[Fact[Event]], int, int]]:
    """Readable facts, how many were not, and the position reached; page by page."""
    position = after_position
    while position < up_to_position:
        rows = await log.read_after(position, limit=PAGE_EVENTS, up_to_position=up_to_position, topics=topics)
        position = rows[-1].position if len(rows) == PAGE_EVENTS else up_to_position
        facts = []
        for row in rows:
            try:
                facts.append(for_fold(row))
            except Undecodable:
                continue
        yield facts, len(rows) - len(facts), position


async def judged_knowing(log: EventLog, after_position: int, up_to_position: int) -> dict[int, int]:
    """Position of each alert that was judged in these positions → how far the log was known then.

    One that waited and was met later counts from its wait; one whose fold came too late (its incident had been ended a
    moment before) from the judgement that stands.
    """
    found: dict[int, int] = {}
    folded: set[int] = set()
    topics = [event.name for event in JUDGEMENTS]
    async for facts, _, _ in pages(log, after_position, up_to_position, topics):
        for fact in facts:
            known = known_up_to(fact.event)
            for position in _alert_positions(fact.event):
                if known is not None and (position not in found or position in folded):
                    found[position] = known
            if isinstance(fact.event, AlertsFolded):
                folded.update(alert.position for alert in fact.event.alerts)
    return found


def _alert_positions(event: Event) -> Sequence[int]:
    match event:
        case IncidentOpened(cause=cause):
            return cause.alert_positions
        case AlertsFolded(alerts=alerts) | AlertsWaited(alerts=alerts) | AlertsRecordedOnly(alerts=alerts):
            return [alert.position for alert in alerts]
        case _:
            return ()


async def alerts_before(log: EventLog, position: int, wanted: Collection[int]) -> list[Fact[Event]]:
    """Those of the alerts that were recorded up to a position: judged later than they came."""
    early = {each for each in wanted if each <= position}
    if not early:
        return []
    topics = [event.name for event in ALERTS]
    return [
        fact
        async for facts, _, _ in pages(log, min(early) - 1, position, topics)
        for fact in facts
        if fact.position in early
    ]
