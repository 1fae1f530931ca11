"""A city's history of any length: valid facts of whole incidents, cheap enough to make millions of them.

An incident is nine facts: five alerts, its opening, one fold of the other four, its verification, and its closing once
`OPEN_INCIDENTS` younger ones exist. So the number of open incidents, and with it what a board shows, does not depend on
how long the city has lived. Each fact is encoded once by the real codec with stand-ins for what changes (ids, instants,
positions, the number), and a copy is made by putting the changes in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from dispatch.ports import AppendCommand, NewEvent, StreamAppend
from domain.alert.events import AlertContent, AlertReceived
from domain.codec import encode
from domain.event import Actor, Envelope, Event, GeoPoint, Place
from domain.identifiers import companion_of
from domain.incident.events import (
    AlertsFolded,
    Cause,
    FoldedAlert,
    IncidentClosed,
    IncidentOpened,
    IncidentVerified,
)
from domain.ownership import Ownership
from domain.vocabulary import ActorKind, AlertKind, Severity

ALERTS = 5
"""Alerts of one incident: one opens it, the others are folded into it."""
FACTS_PER_INCIDENT = ALERTS + 4
OPEN_INCIDENTS = 1_000
INCIDENTS_PER_CALL = 50
EVERY_S = 2.0
"""An incident each two seconds: the city of the flood night, all year."""

CATEGORY = "traffic.congestion"
INCIDENT = UUID(int=1)
ALERT = [UUID(int=16 + number) for number in range(ALERTS)]
EVENT = UUID(int=2)
WHEN = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
WHEN_TEXT = b"2001-02-03T04:05:06Z"
POSITION = [9_000_000_000_000_001 + number for number in range(ALERTS)]
NUMBER = "NUMBER-STANDS-HERE"
GATEWAY = Actor(kind=ActorKind.GATEWAY, id="gateway:growth")
CORRELATION = Actor(kind=ActorKind.REACTOR, id="correlation")
OPERATOR = Actor(kind=ActorKind.OPERATOR, id="operator:growth")


@dataclass(frozen=True, slots=True)
class Patterns:
    """The facts of an incident with stand-ins; one opening for each center that owns some."""

    alert: bytes
    opened: Sequence[bytes]
    folded: bytes
    verified: bytes
    closed: bytes

    @classmethod
    def of(cls, owners: Sequence[Ownership]) -> Patterns:
        """Encoded once."""
        place = Place(point=GeoPoint(lon=104.0657, lat=30.6595))
        content = AlertContent(
            source="growth",
            adapter="growth",
            source_event_id=str(EVENT),
            kind=AlertKind.MOTION,
            severity=Severity.MODERATE,
            place=place,
            text="a car has stopped on the second lane of the bridge, the others go around it",
            content_sha256="0" * 64,
        )
        folded = tuple(
            FoldedAlert(position=POSITION[n], alert_id=ALERT[n], severity=Severity.MODERATE, reason="near")
            for n in range(1, ALERTS)
        )
        return cls(
            alert=_pattern(AlertReceived(content=content), GATEWAY),
            opened=[_pattern(_opening(owner, place), CORRELATION) for owner in owners],
            folded=_pattern(
                AlertsFolded(incident_id=INCIDENT, alerts=folded, first_occurred_at=WHEN, last_occurred_at=WHEN),
                CORRELATION,
            ),
            verified=_pattern(IncidentVerified(note="seen on the camera"), OPERATOR),
            closed=_pattern(IncidentClosed(note="the car is gone"), OPERATOR),
        )


def _opening(owner: Ownership, place: Place) -> IncidentOpened:
    return IncidentOpened(
        number=NUMBER,
        city="chengdu",
        cause=Cause(
            alert_ids=(ALERT[0],),
            alert_positions=(POSITION[0],),
            first_occurred_at=WHEN,
            last_occurred_at=WHEN,
            source="growth",
        ),
        category=CATEGORY,
        severity=Severity.MODERATE,
        priority=5,
        place=place,
        owner=owner,
    )


def _pattern(event: Event, actor: Actor) -> bytes:
    state = encode(event, Envelope(event_id=EVENT, occurred_at=WHEN, received_at=WHEN, actor=actor))
    assert WHEN_TEXT in state, "an instant is written in another way than the stand-in"
    return state


def incidents_of(facts: int) -> int:
    """How many whole incidents so many facts are."""
    young = min(facts // (FACTS_PER_INCIDENT - 1), OPEN_INCIDENTS)
    return young + max(0, facts - OPEN_INCIDENTS * (FACTS_PER_INCIDENT - 1)) // FACTS_PER_INCIDENT


def facts_of(incidents: int) -> int:
    """How many facts so many incidents are."""
    return incidents * FACTS_PER_INCIDENT - min(incidents, OPEN_INCIDENTS)


class History:
    """Incidents numbered from 0, in the order in which they open."""

    def __init__(self, owners: Sequence[Ownership], *, begins_at: datetime) -> None:
        self._patterns = Patterns.of(owners)
        self._begins_at = begins_at

    def incident_id(self, number: int) -> UUID:
        """Ids rise with time, as the system's own do."""
        return UUID(int=self._time_part(number) | number << 8)

    def facts(self, first: int, count: int, tip: int) -> Iterator[AppendCommand]:
        """The commands of the incidents `first` …, to be recorded alone and in order behind position `tip`."""
        for number in range(first, first + count):
            yield from self._incident(number, tip)
            tip += FACTS_PER_INCIDENT - (number < OPEN_INCIDENTS)

    def _incident(self, number: int, tip: int) -> Iterator[AppendCommand]:
        incident_id = self.incident_id(number)
        alert_ids = [UUID(int=incident_id.int + 1 + n) for n in range(ALERTS)]
        event_ids = (UUID(int=incident_id.int | 1 << 7 | n) for n in range(FACTS_PER_INCIDENT))
        when = (self._begins_at + timedelta(seconds=EVERY_S * number)).strftime("%Y-%m-%dT%H:%M:%SZ").encode()

        def put(pattern: bytes) -> bytes:
            return pattern.replace(WHEN_TEXT, when).replace(str(EVENT).encode(), str(next(event_ids)).encode())

        patterns = self._patterns
        for alert_id in alert_ids:
            yield _append(alert_id, 0, "alert.received", put(patterns.alert))
        opened = put(patterns.opened[number % len(patterns.opened)]).replace(NUMBER.encode(), b"G%09d" % number)
        opened = _with_alerts(opened, alert_ids[:1], tip)
        folded = _with_alerts(put(patterns.folded), alert_ids, tip).replace(
            str(INCIDENT).encode(), str(incident_id).encode()
        )
        yield AppendCommand(
            (
                StreamAppend(incident_id, 0, (NewEvent("incident.opened", opened),)),
                StreamAppend(companion_of(incident_id), 0, (NewEvent("incident.alerts_folded", folded),)),
            )
        )
        yield _append(incident_id, 1, "incident.verified", put(patterns.verified))
        if number >= OPEN_INCIDENTS:
            yield _append(self.incident_id(number - OPEN_INCIDENTS), None, "incident.closed", put(patterns.closed))

    def _time_part(self, number: int) -> int:
        milliseconds = int((self._begins_at.timestamp() + EVERY_S * number) * 1_000)
        return milliseconds << 80 | 7 << 76 | 2 << 62


def _append(stream_id: UUID, expected: int | None, topic: str, state: bytes) -> AppendCommand:
    return AppendCommand((StreamAppend(stream_id, expected, (NewEvent(topic, state),)),))


def _with_alerts(state: bytes, alert_ids: Sequence[UUID], tip: int) -> bytes:
    """With the alerts' ids and the positions they were recorded at."""
    for number, alert_id in enumerate(alert_ids):
        state = state.replace(str(ALERT[number]).encode(), str(alert_id).encode())
        state = state.replace(b"%d" % POSITION[number], b"%d" % (tip + 1 + number))
    return state
