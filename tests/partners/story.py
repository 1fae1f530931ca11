"""Facts as other parts of the system record them, for the partner tests: a city of two agencies and its incidents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid5

import asyncpg

from dispatch.ports import AppendCommand, Appended, EventLog, NewEvent, StreamAppend
from domain.assignment.events import AssignmentMade, UnitRegistered
from domain.center.events import AgencyRegistered, CenterEstablished
from domain.codec import encode
from domain.event import Actor, Envelope, Event, Explanation, GeoPoint, Place, Reason
from domain.identifiers import agency_stream, assignment_id_for, center_id, named, unit_id
from domain.incident.events import Cause, IncidentOpened, IncidentRouted, Recipient
from domain.ownership import Ownership
from domain.vocabulary import ActorKind, AgencyRole, CenterKind, MessageStatus, Severity, UnitKind
from tests.partners.conftest import CITY

BEGAN_AT = datetime(2026, 7, 3, 18, 0, tzinfo=UTC)
ROOT = center_id(CITY, "city")
WUHOU = center_id(CITY, "wuhou")
STATION = center_id(CITY, "wuhou-01")
OWNER = Ownership(center_id=STATION, path=(ROOT, WUHOU, STATION))
POINT = GeoPoint(lon=104.04, lat=30.64)
ALL_FIELDS = (
    "number", "category", "severity", "priority", "phase", "place", "headline", "opened_at", "message_status", "role",
    "recipients", "owner", "accept_by", "assignments", "disposition", "merged_into", "note", "case",
)  # fmt: skip
SYSTEM = Actor(kind=ActorKind.SYSTEM, id="test")
WHY = Explanation(policy="test")


@dataclass
class Story:
    """Writes facts one after another, a second apart, and remembers where each landed."""

    log: EventLog
    told: int = 0
    positions: list[int] = field(default_factory=list)

    async def tell(
        self,
        stream_id: UUID,
        *events: Event,
        actor: Actor = SYSTEM,
        causation_id: UUID | None = None,
    ) -> int:
        """Record facts on one stream; the last one's position."""
        new = []
        for event in events:
            self.told += 1
            at = BEGAN_AT + timedelta(seconds=self.told)
            envelope = Envelope(
                event_id=uuid5(stream_id, f"fact {self.told}"),
                occurred_at=at,
                received_at=at,
                actor=actor,
                causation_id=causation_id,
            )
            new.append(NewEvent(event.name, encode(event, envelope)))
        verdict = await self.log.append(AppendCommand((StreamAppend(stream_id, None, tuple(new)),)))
        assert isinstance(verdict, Appended)
        self.positions.append(verdict.last_position)
        return verdict.last_position

    async def city(
        self, *, fields: Sequence[str] = ALL_FIELDS, agencies: Sequence[str] = ("police", "flood_control")
    ) -> None:
        """Centers, and agencies with a feed that lists `fields`; fire has none."""
        for code, kind, level, path in (
            ("city", CenterKind.CITY, 1, (ROOT,)),
            ("wuhou", CenterKind.DISTRICT, 2, (ROOT, WUHOU)),
            ("wuhou-01", CenterKind.STATION, 3, (ROOT, WUHOU, STATION)),
        ):
            await self.tell(path[-1], center(code, kind, level, path))
        for code in ("police", "flood_control"):
            await self.agency(code, fields=fields)
        await self.tell(agency_stream(CITY, "fire"), agency_registered("fire", has_feed=False))

    async def agency(self, code: str, *, fields: Sequence[str] = ALL_FIELDS) -> None:
        """Register an agency with a feed, or register it anew."""
        await self.tell(agency_stream(CITY, code), agency_registered(code, fields=tuple(fields)))

    async def incident(
        self, name: str, *, status: MessageStatus = MessageStatus.ACTUAL, headline: str = "积水"
    ) -> UUID:
        """Open an incident."""
        incident_id = named("incident", name)
        await self.tell(incident_id, opened(name, status=status))
        return incident_id

    async def routed(self, incident_id: UUID, **roles: AgencyRole) -> int:
        """Route it to agencies."""
        return await self.tell(incident_id, routed(**roles))

    async def unit(self, call_sign: str, agency: str) -> UUID:
        """Register a unit."""
        await self.tell(unit_id(CITY, call_sign), unit(call_sign, agency))
        return unit_id(CITY, call_sign)


def center(code: str, kind: CenterKind, level: int, path: tuple[UUID, ...]) -> CenterEstablished:
    return CenterEstablished(
        city=CITY,
        code=code,
        name_zh=f"{code} 中心",
        name_en=f"{code} center",
        kind=kind,
        level=level,
        parent_id=path[-2] if len(path) > 1 else None,
        path=path,
        valid_from=date(2011, 1, 1),
        location=POINT,
    )


def agency_registered(code: str, *, has_feed: bool = True, fields: tuple[str, ...] = ()) -> AgencyRegistered:
    return AgencyRegistered(city=CITY, code=code, name_zh=code, name_en=code, has_feed=has_feed, feed_fields=fields)


def opened(name: str, *, status: MessageStatus = MessageStatus.ACTUAL) -> IncidentOpened:
    return IncidentOpened(
        number=name,
        city=CITY,
        cause=Cause(),
        category="flood.waterlogging",
        severity=Severity.MODERATE,
        priority=3,
        place=Place(point=POINT, address="武侯大道"),
        owner=OWNER,
        status=status,
        headline="积水",
    )


def recipient(agency: str, role: AgencyRole) -> Recipient:
    return Recipient(agency=agency, center_id=STATION, path=OWNER.path, role=role, reason=Reason(code="test"))


def routed(**roles: AgencyRole) -> IncidentRouted:
    recipients = tuple(recipient(agency, role) for agency, role in roles.items())
    return IncidentRouted(owner=OWNER, recipients=recipients, accept_by=None, explanation=WHY)


def unit(call_sign: str, agency: str) -> UnitRegistered:
    return UnitRegistered(
        city=CITY, call_sign=call_sign, agency=agency, base=OWNER, kind=UnitKind.PATROL_CAR, home=POINT
    )


def assigned(incident_id: UUID, call_sign: str, agency: str) -> AssignmentMade:
    unit_of_it = unit_id(CITY, call_sign)
    return AssignmentMade(
        assignment_id=assignment_id_for(incident_id, unit_of_it, 1),
        incident_id=incident_id,
        incident_number="1",
        incident_owner=OWNER,
        unit_id=unit_of_it,
        agency=agency,
        call_sign=call_sign,
    )


async def feed_of(pool: asyncpg.Pool, agency: str) -> list[asyncpg.Record]:
    return await pool.fetch("SELECT * FROM feed.entries WHERE agency = $1 ORDER BY sequence", agency)
