"""A small city on the log in memory, with the real scribe, sealer, directory and desks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from dispatch.directory import Directory
from dispatch.handling.assignments import AssignmentDesk
from dispatch.handling.commitments import Commitments
from dispatch.handling.incidents import IncidentDesk
from dispatch.handling.opening import Numbering, Opening, numbers_used, open_incident_changes
from dispatch.handling.reports import ReportDesk
from dispatch.handling.scribe import Change, IdempotencyKey, Outcome, Request, Scribe, as_fact
from dispatch.handling.tree import LeftBehind, nobody_counts
from dispatch.ports import AppendCommand, EventLog, UnitPosition, Verdict
from dispatch.store.memory import MemoryLog, MemoryRoster
from dispatch.store.vault import MemorySealer
from dispatch.workers.ownership import SoleOwnership
from dispatch.workers.timers.watch import Timers
from domain.assignment.events import UnitRegistered, UnitWentOnDuty
from domain.camera.events import CameraAttached
from domain.center.events import CenterEstablished
from domain.event import Actor, Event, Fact, GeoPoint, Place
from domain.incident.events import Cause
from domain.ownership import Ownership
from domain.rulebook.content import (
    AlertRule,
    CategoryRule,
    CorrelationRule,
    DeadlineRule,
    Rulebook,
)
from domain.rulebook.events import RulebookActivated, RulebookPublished
from domain.rulebook.plans import AgencyRule
from domain.vocabulary import (
    ActorKind,
    AgencyRole,
    AlertKind,
    CenterKind,
    MessageStatus,
    OwnerRule,
    Severity,
    UnitKind,
)

START = datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
CITY, DISTRICT, STATION, NEXT_STATION, TRAFFIC = (UUID(int=number) for number in (1, 2, 3, 4, 5))
CAMERA = UUID(int=9)
UNIT, OTHER_UNIT = UUID(int=101), UUID(int=102)
IN_STATION = GeoPoint(lon=104.05, lat=30.65)
IN_DISTRICT_ONLY = GeoPoint(lon=104.25, lat=30.65)
OUTSIDE = GeoPoint(lon=120.0, lat=30.0)


class Watch:
    """A clock that only moves when told."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def forward(self, **span: float) -> datetime:
        self._now += timedelta(**span)
        return self._now


class Ticking:
    """A clock that never says the same instant twice."""

    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        self._now += timedelta(microseconds=1)
        return self._now


class Racing(MemoryLog):
    """Somebody acts right before the next append."""

    before_next: Callable[[], Awaitable[Any]] | None = None

    async def append(self, command: AppendCommand) -> Verdict:
        act, self.before_next = self.before_next, None
        if act is not None:
            await act()
        return await super().append(command)


class KnownPositions:
    """`dispatch.ports.UnitPositions` in a dictionary; passes the same suite as the one in PostgreSQL."""

    def __init__(self) -> None:
        self.known: dict[UUID, UnitPosition] = {}

    async def put(self, position: UnitPosition, *, received_at: datetime) -> None:
        before = self.known.get(position.unit_id)
        if before is None or before.reported_at <= position.reported_at:
            self.known[position.unit_id] = position

    async def get(self, unit_ids: Sequence[UUID]) -> dict[UUID, UnitPosition]:
        return {unit_id: self.known[unit_id] for unit_id in unit_ids if unit_id in self.known}


def square(west: float, south: float, size: float) -> tuple[tuple[tuple[tuple[float, float], ...], ...], ...]:
    east, north = west + size, south + size
    return ((((west, south), (east, south), (east, north), (west, north), (west, south)),),)


def center(code: str, kind: CenterKind, path: tuple[UUID, ...], area: Any = (), agency: str | None = None) -> Event:
    level = {CenterKind.CITY: 1, CenterKind.DISTRICT: 2, CenterKind.STATION: 3}.get(kind, 0)
    return CenterEstablished(
        city="chengdu",
        code=code,
        name_zh=code,
        name_en=code,
        kind=kind,
        level=level,
        parent_id=path[-2] if len(path) > 1 else None,
        path=path,
        agency=agency,
        valid_from=date(2006, 1, 1),
        location=GeoPoint(lon=104.05, lat=30.65),
        area=area,
    )


def category(code: str, owner: OwnerRule, agency: str = "police", priority: int = 5) -> CategoryRule:
    return CategoryRule(
        code=code,
        name_zh=code,
        name_en=code,
        priority=priority,
        owner=owner,
        agencies=(AgencyRule(agency=agency, role=AgencyRole.RESPONSIBLE),),
        correlation=CorrelationRule(radius_m=100, window_s=600),
        deadlines=DeadlineRule(acknowledge_within_s=90, transfer_within_s=240),
    )


RULEBOOK = Rulebook(
    city="chengdu",
    version=1,
    categories=(
        category("order.dispute", OwnerRule.STATION),
        category("flood.waterlogging", OwnerRule.DISTRICT, "flood_control"),
        category("fire.alarm", OwnerRule.CITY, "fire", priority=1),
        category("traffic.accident", OwnerRule.AGENCY, "traffic_police"),
        category("help.medical", OwnerRule.AGENCY, "health"),
        category("other.unclassified", OwnerRule.STATION),
    ),
    alerts=(AlertRule(kind=AlertKind.ACCIDENT, category="traffic.accident"),),
    catch_all_center_code="city",
    catch_all_category="other.unclassified",
)


@dataclass
class World:
    """The city and everybody's desks."""

    log: EventLog
    watch: Watch = field(default_factory=Watch)
    sealer: MemorySealer = field(default_factory=MemorySealer)
    positions: KnownPositions = field(default_factory=KnownPositions)
    asked: int = 0

    def __post_init__(self) -> None:
        self.scribe = Scribe(self.log, self.sealer, self.watch)
        self.directory = Directory(self.log, "chengdu")
        self.incidents = IncidentDesk(self.scribe, self.directory, Commitments(self.log, MemoryRoster()))
        self.reports = ReportDesk(self.scribe, self.directory)
        self.assignments = AssignmentDesk(self.scribe, self.directory, self.positions)

    def request(self, **fields: Any) -> Request:
        """The next request of a dispatcher; its id is its place in the story."""
        self.asked += 1
        actor = Actor(kind=ActorKind.OPERATOR, id="alice", center_id=STATION)
        return Request(
            **{"actor": actor, "received_at": self.watch.now(), "request_id": UUID(int=self.asked), **fields}
        )

    def keyed(self, key: str, meaning: dict[str, Any], **fields: Any) -> Request:
        """A request that may be repeated."""
        return self.request(idempotency=IdempotencyKey.of("alice", key, meaning), **fields)

    async def tell(self, stream_id: UUID, *events: Event) -> Outcome:
        """Put facts on a stream."""
        return await self.scribe.record([Change(stream_id, None, events)], self.request())

    async def settle(self) -> World:
        """The city: four centers and a lateral one, a rulebook, a camera, two units on duty."""
        await self.tell(CITY, center("city", CenterKind.CITY, (CITY,), square(104.0, 30.6, 0.5)))
        await self.tell(DISTRICT, center("district", CenterKind.DISTRICT, (CITY, DISTRICT), square(104.0, 30.6, 0.3)))
        station = center("station", CenterKind.STATION, (CITY, DISTRICT, STATION), square(104.0, 30.6, 0.1))
        await self.tell(STATION, station)
        nearby = center("station-2", CenterKind.STATION, (CITY, DISTRICT, NEXT_STATION), square(104.1, 30.6, 0.1))
        await self.tell(NEXT_STATION, nearby)
        await self.tell(TRAFFIC, center("traffic", CenterKind.FUNCTIONAL, (CITY, TRAFFIC), agency="traffic_police"))
        await self.tell(UUID(int=6), RulebookPublished(rulebook=RULEBOOK))
        await self.tell(UUID(int=6), RulebookActivated(version=1, effective_at=START))
        await self.tell(
            CAMERA,
            CameraAttached(
                city="chengdu",
                code="51010000001310000001",
                label="shop",
                location=IN_STATION,
                owner="a shop",
                station_id=STATION,
                path=(CITY, DISTRICT, STATION),
                reason="busy corner",
                approved_by="the chief",
            ),
        )
        for unit_id, call_sign in ((UNIT, "JJ-101"), (OTHER_UNIT, "JJ-102")):
            await self.tell(unit_id, registered(call_sign), UnitWentOnDuty())
        await self.directory.catch_up()
        return self

    def timers(self, left: LeftBehind = nobody_counts) -> Timers:
        """One life of the timers, which hold nothing of what an earlier one noticed."""
        return Timers(
            log=self.log,
            scribe=self.scribe,
            directory=self.directory,
            clock=self.watch,
            ownership=SoleOwnership(),
            left=left,
        )

    async def publish(self, rulebook: Rulebook) -> None:
        """Another version of the rules, in force at once."""
        activated = RulebookActivated(version=rulebook.version, effective_at=self.watch.now())
        await self.tell(UUID(int=6), RulebookPublished(rulebook=rulebook), activated)
        await self.directory.catch_up()

    async def open(self, **fields: Any) -> UUID:
        """An incident as correlation would open it."""
        self.asked += 1
        opening = Opening(
            **{
                "incident_id": UUID(int=10_000 + self.asked),
                "opened_at": self.watch.now(),
                "cause": Cause(alert_ids=(UUID(int=7),), alert_positions=(1,)),
                "category": "order.dispute",
                "severity": Severity.MODERATE,
                "priority": 5,
                "place": Place(point=IN_STATION),
                "owner": Ownership(center_id=STATION, path=(CITY, DISTRICT, STATION)),
                **fields,
            }
        )
        numbering = Numbering.of(RULEBOOK)
        used = await numbers_used(self.log, numbering, [opening.opened_at])
        await self.scribe.record(open_incident_changes([opening], numbering=numbering, used=used), self.request())
        return opening.incident_id

    async def drill(self) -> UUID:
        """An incident of an exercise."""
        return await self.open(status=MessageStatus.EXERCISE)

    async def facts(self, stream_id: UUID) -> list[Event]:
        """What a stream says."""
        return [fact.event for fact in await self.rows(stream_id)]

    async def rows(self, stream_id: UUID) -> list[Fact[Event]]:
        """What a stream says, with envelopes."""
        return [as_fact(row) for row in await self.log.read_stream(stream_id)]

    async def everything(self, *, after: int = 0) -> list[Fact[Event]]:
        """The whole log."""
        return [as_fact(row) for row in await self.log.read_after(after, limit=100_000)]


async def settled(*, is_ticking: bool = False) -> World:
    """The city on a log of its own. Ticking: each append is recorded at an instant of its own."""
    watch = Watch()
    return await World(MemoryLog(Ticking() if is_ticking else watch), watch).settle()


def registered(call_sign: str) -> UnitRegistered:
    return UnitRegistered(
        city="chengdu",
        call_sign=call_sign,
        agency="traffic_police",
        base=Ownership(center_id=TRAFFIC, path=(CITY, TRAFFIC)),
        kind=UnitKind.MOTORCYCLE,
        home=IN_STATION,
    )


class Interleaved:
    """A log on which others get their turn before each read and each append, as often as the schedule says.

    The log in memory never waits, so without this no two dispatchers would ever meet. One schedule is one
    interleaving, the same on every run.
    """

    def __init__(self, log: MemoryLog, schedule: Sequence[int]) -> None:
        self._log = log
        self._schedule = list(schedule)
        self._turns = 0
        self.conflicts = 0

    async def _others_first(self) -> None:
        if not self._schedule:
            return
        yields = self._schedule[self._turns % len(self._schedule)]
        self._turns += 1
        for _ in range(yields):
            await asyncio.sleep(0)

    async def append(self, command: AppendCommand) -> Verdict:
        await self._others_first()
        verdict = await self._log.append(command)
        self.conflicts += type(verdict).__name__ == "VersionConflict"
        return verdict

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._log, name)

        async def waiting(*args: Any, **fields: Any) -> Any:
            await self._others_first()
            return await method(*args, **fields)

        return waiting
