"""A small town over a log in memory, with a clock that moves only when told: what reactors are tried on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid5

import dispatch.cities
from dispatch.directory import Directory
from dispatch.handling.scribe import Change, Request, Scribe, as_fact
from dispatch.ports import AppendCommand, EventLog, UnitPosition, Verdict
from dispatch.store.memory import MemoryLog
from dispatch.store.vault import MemorySealer
from dispatch.workers.alarms import Alarms
from dispatch.workers.correlator import Correlator
from dispatch.workers.ownership import SoleOwnership
from dispatch.workers.reactor import ReactorRunner
from dispatch.workers.recommender import Recommender
from dispatch.workers.router import Router
from dispatch.workers.timers.watch import Timers
from domain.alert.events import AlertContent, AlertReceived, AlertRevised, WarningDetails
from domain.assignment.events import UnitRegistered, UnitWentOnDuty
from domain.center.events import AgencyRegistered, CenterEstablished
from domain.event import Actor, Event, Fact, GeoPoint, Place
from domain.identifiers import agency_stream, alert_id, center_id, named, rulebook_stream, unit_id
from domain.incident import decider as incident
from domain.ownership import Ownership
from domain.refusals import Refusal
from domain.rulebook.content import Rulebook
from domain.rulebook.events import RulebookActivated, RulebookPublished
from domain.vocabulary import (
    ActorKind,
    AlertKind,
    AlertPhase,
    CenterKind,
    ClockQuality,
    MessageStatus,
    Severity,
    UnitKind,
)

CITY = "chengdu"
NOON = datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
WEST = GeoPoint(lon=104.02, lat=30.70)
EAST = GeoPoint(lon=104.15, lat=30.70)
METRE = 1 / 111_195
E = TypeVar("E", bound=Event)


def north_of(point: GeoPoint, metres: float) -> GeoPoint:
    return GeoPoint(lon=point.lon, lat=point.lat + metres * METRE)


def sample_rulebook() -> Rulebook:
    source = Path(dispatch.cities.__path__[0]) / CITY / "rulebook.json"
    return Rulebook.model_validate_json(source.read_bytes())


def with_rule(rulebook: Rulebook, code: str, **changes: Any) -> Rulebook:
    """The next version, with one category's rule changed; keys with `__` reach into a part of it."""
    raw = json.loads(rulebook.model_dump_json())
    raw["version"] += 1
    (rule,) = [rule for rule in raw["categories"] if rule["code"] == code]
    for key, value in changes.items():
        *parts, last = key.split("__")
        target = rule
        for part in parts:
            target = target[part]
        target[last] = value
    return Rulebook.model_validate(raw)


class HandClock:
    def __init__(self, now: datetime = NOON) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, **span: float) -> None:
        self._now += timedelta(**span)


class RacingLog(MemoryLog):
    """Somebody acts right before the next command with a mark."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__(clock)
        self.before_next: Callable[[], Awaitable[None]] | None = None

    async def append(self, command: AppendCommand) -> Verdict:
        act, self.before_next = (self.before_next, None) if command.marks else (None, self.before_next)
        if act is not None:
            await act()
        return await super().append(command)


class HandPositions:
    """Positions of units, as somebody says."""

    def __init__(self) -> None:
        self.known: dict[UUID, UnitPosition] = {}

    async def get(self, unit_ids: Sequence[UUID]) -> dict[UUID, UnitPosition]:
        return {each: self.known[each] for each in unit_ids if each in self.known}


def content(kind: AlertKind = AlertKind.INTRUSION, **given: Any) -> AlertContent:
    """An alert's content; `point` and `said` are short for place and warning."""
    point = given.pop("point", WEST)
    given.setdefault("place", Place(point=point))
    given.setdefault("source", "gateway-1")
    given.setdefault("source_event_id", "event-1")
    digest = hashlib.sha256(repr(sorted((key, str(value)) for key, value in given.items())).encode()).hexdigest()
    return AlertContent(adapter="native", kind=kind, content_sha256=digest, **given)


def warning(identifier: str, **given: Any) -> dict[str, Any]:
    """The fields of an alert that came as a public warning."""
    details = {
        "sender": "weather@example",
        "message_type": "Alert",
        "event": "Rainstorm",
        "urgency": "Immediate",
        "certainty": "Likely",
        **given,
    }
    return {"source_event_id": identifier, "warning": WarningDetails(**details)}


class Town:
    """The log, the clock and all reactors. `log` may be another one, with the city already in it."""

    def __init__(self, log: EventLog | None = None, clock: HandClock | None = None) -> None:
        self.clock = clock or HandClock()
        self.log: EventLog = log if log is not None else MemoryLog(self.clock)
        self.scribe = Scribe(self.log, MemorySealer(), self.clock)
        self.positions = HandPositions()
        self._count = 0
        self.restart()

    def restart(self) -> None:
        """All reactors lose their memory."""
        self.directory = Directory(self.log, CITY)
        self.correlator = Correlator(log=self.log, directory=self.directory, clock=self.clock)
        self.alarms = Alarms(log=self.log, directory=self.directory, clock=self.clock)
        self.router = Router(log=self.log, directory=self.directory, clock=self.clock)
        self.recommender = Recommender(
            log=self.log, directory=self.directory, clock=self.clock, positions=self.positions
        )
        self.runners = [
            ReactorRunner(reactor, log=self.log, scribe=self.scribe, ownership=SoleOwnership())
            for reactor in (self.correlator, self.alarms, self.router, self.recommender)
        ]
        self.timers = Timers(
            log=self.log, scribe=self.scribe, directory=self.directory, clock=self.clock, ownership=SoleOwnership()
        )

    async def record(self, stream_id: UUID, *events: Event, at: datetime | None = None, **change: Any) -> None:
        self._count += 1
        request = Request(
            actor=Actor(kind=ActorKind.SYSTEM, id="test"),
            received_at=self.clock.now(),
            request_id=uuid5(named("test", CITY), str(self._count)),
            occurred_at=at,
        )
        await self.scribe.record([Change(stream_id, change.pop("expected_version", None), events, **change)], request)

    async def found(self, rulebook: Rulebook | None = None) -> Town:
        """Centers, agencies, rules."""
        await self.publish(rulebook or sample_rulebook())
        for code in ("police", "traffic_police", "urban_management", "flood_control", "fire"):
            await self.record(
                agency_stream(CITY, code), AgencyRegistered(city=CITY, code=code, name_zh=code, name_en=code)
            )
        root = await self._center("city", CenterKind.CITY, 1, None, square(104.0, 104.2))
        west = await self._center("d-west", CenterKind.DISTRICT, 2, root, square(104.0, 104.1))
        east = await self._center("b-east", CenterKind.BRANCH, 2, root, square(104.1, 104.2))
        await self._center("s-west", CenterKind.STATION, 3, west, square(104.0, 104.05))
        await self._center("s-mid", CenterKind.STATION, 3, west, square(104.05, 104.1))
        await self._center("s-east", CenterKind.STATION, 3, east, square(104.1, 104.2))
        for agency in ("traffic_police", "urban_management", "flood_control", "fire"):
            await self._center(f"dept-{agency.replace('_', '-')}", CenterKind.FUNCTIONAL, 0, root, (), agency=agency)
        return self

    async def publish(self, rulebook: Rulebook) -> None:
        await self.record(
            rulebook_stream(CITY),
            RulebookPublished(rulebook=rulebook),
            RulebookActivated(version=rulebook.version, effective_at=self.clock.now()),
        )

    async def _center(
        self, code: str, kind: CenterKind, level: int, parent: Ownership | None, area: Any, agency: str | None = None
    ) -> Ownership:
        key = center_id(CITY, code)
        path = (*(parent.path if parent else ()), key)
        await self.record(
            key,
            CenterEstablished(
                city=CITY,
                code=code,
                name_zh=code,
                name_en=code,
                kind=kind,
                level=level,
                parent_id=parent.center_id if parent else None,
                path=path,
                agency=agency,
                valid_from=date(2006, 1, 1),
                location=WEST,
                area=area,
            ),
        )
        return Ownership(center_id=key, path=path)

    async def unit(
        self,
        call_sign: str,
        home: GeoPoint,
        *,
        agency: str = "police",
        kind: UnitKind = UnitKind.PATROL_CAR,
        skills: tuple[str, ...] = ("public_order",),
        on_duty: bool = True,
    ) -> UUID:
        key = unit_id(CITY, call_sign)
        base = center_id(CITY, "s-west")
        registered = UnitRegistered(
            city=CITY,
            call_sign=call_sign,
            agency=agency,
            base=Ownership(center_id=base, path=(base,)),
            kind=kind,
            skills=skills,
            home=home,
        )
        await self.record(key, registered, *([UnitWentOnDuty()] if on_duty else []))
        return key

    async def alert(self, kind: AlertKind = AlertKind.INTRUSION, *, at: datetime | None = None, **given: Any) -> UUID:
        """A message arrives. The same `source_event_id` is the same alert, revised."""
        self._count += 1
        given.setdefault("source_event_id", f"event-{self._count}")
        said = content(kind, **given)
        said_at = at or self.clock.now()
        key = alert_id(source=said.source, source_event_id=said.source_event_id, revision=said.revision, said_at=NOON)
        known = await self.log.heads([key])
        event = AlertRevised(content=said) if known else AlertReceived(content=said)
        await self.record(key, event, at=said_at)
        return key

    async def decide(self, incident_id: UUID, command: Any) -> None:
        """A person decides."""
        loaded = await self.scribe.load(incident_id, incident.INITIAL, incident.evolve)
        decided = incident.decide(command, loaded.state)
        assert not isinstance(decided, Refusal), decided
        await self.record(incident_id, *decided, expected_version=loaded.version)

    async def react(self) -> None:
        """Reactors work until nothing is left."""
        moved = True
        while moved:
            before = (await self.log.tip()).position
            for runner in self.runners:
                await runner.drain()
            moved = (await self.log.tip()).position > before

    async def facts(self, kind: type[E], stream_id: UUID | None = None) -> list[Fact[Any]]:
        """Facts of a kind in the log."""
        rows = await self.log.read_after(0, limit=1_000_000, topics=[kind.name])
        return [as_fact(row) for row in rows if stream_id is None or row.stream_id == stream_id]

    async def events(self, kind: type[E], stream_id: UUID | None = None) -> list[Any]:
        return [fact.event for fact in await self.facts(kind, stream_id)]


def square(west: float, east: float) -> Any:
    ring = ((west, 30.6), (east, 30.6), (east, 30.8), (west, 30.8), (west, 30.6))
    return ((ring,),)


__all__ = [
    "CITY",
    "EAST",
    "METRE",
    "NOON",
    "WEST",
    "AlertKind",
    "AlertPhase",
    "ClockQuality",
    "HandClock",
    "HandPositions",
    "MessageStatus",
    "RacingLog",
    "Severity",
    "Town",
    "content",
    "north_of",
    "sample_rulebook",
    "square",
    "warning",
    "with_rule",
]
