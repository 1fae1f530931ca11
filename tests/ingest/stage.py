"""A small city for machine messages: one district, two gateways, three cameras, a clock that stands still."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from dispatch.directory import Directory
from dispatch.handling.alerts import AlertDesk, AlertReceipt, Arrival, Sender
from dispatch.handling.scribe import Change, Request, Scribe, as_fact
from dispatch.ingest.adapters import ADAPTERS
from dispatch.ingest.message import Delivery, Draft, NotUnderstood, Parsed
from dispatch.ports import EventLog
from dispatch.store.vault import MemorySealer
from dispatch.world import FreshIds
from domain.camera.events import CameraInstalled
from domain.center.events import CenterEstablished
from domain.event import Actor, Event, Fact, GeoPoint
from domain.identifiers import camera_id, center_id, named
from domain.refusals import Refusal
from domain.vocabulary import ActorKind, CenterKind

CITY = "chengdu"
NOW = datetime(2026, 8, 1, 13, 14, 10, tzinfo=UTC)
FIXTURES = Path(__file__).parent / "fixtures"
SAMPLES = Path(__file__).parents[3] / "shared" / "data" / "samples"
"""Messages of real devices and services, where they are at hand; they are not part of the project."""
EAST, WEST = "gw-east", "gw-west"
CAMERA, WEST_CAMERA = "51010700001320000042", "51010700001320000043"
MAC = "02:51:01:00:00:2a"
SPOT = GeoPoint(lon=104.05, lat=30.65)
OPERATOR = Sender(Actor(kind=ActorKind.OPERATOR, id="op-1"))
EAST_GATEWAY = Sender(Actor(kind=ActorKind.GATEWAY, id=EAST), EAST)
WEST_GATEWAY = Sender(Actor(kind=ActorKind.GATEWAY, id=WEST), WEST)


@dataclass
class StandingClock:
    """Says the same until it is told otherwise."""

    at: datetime = NOW

    def now(self) -> datetime:
        return self.at

    def pass_by(self, elapsed: timedelta) -> None:
        self.at += elapsed


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def parse(adapter: str, body: bytes | str, **delivery: object) -> Parsed:
    raw = body.encode() if isinstance(body, str) else body
    return ADAPTERS[adapter].parse(raw, Delivery(**{"source": EAST, **delivery}))  # type: ignore[arg-type]


def draft_of(adapter: str, body: bytes | str, **delivery: object) -> Draft:
    (entry,) = parse(adapter, body, **delivery).entries
    assert isinstance(entry, Draft)
    return entry


def city_facts() -> list[tuple[object, Event]]:
    root = center_id(CITY, "city")
    square = ((104.0, 30.6), (104.1, 30.6), (104.1, 30.7), (104.0, 30.7), (104.0, 30.6))
    facts: list[tuple[object, Event]] = [
        (
            root,
            CenterEstablished(
                city=CITY,
                code="city",
                name_zh="市中心",
                name_en="City",
                kind=CenterKind.CITY,
                level=1,
                path=(root,),
                valid_from=date(2020, 1, 1),
                location=SPOT,
                area=((square,),),
            ),
        )
    ]
    cameras = ((CAMERA, EAST, (f"{MAC}/1", "cam_00042")), (WEST_CAMERA, WEST, ("cam_00043",)))
    for code, gateway, aliases in cameras:
        installed = CameraInstalled(
            city=CITY,
            code=code,
            site_id=named("site", code),
            label=f"Camera {code[-2:]}",
            location=SPOT,
            gateway=gateway,
            aliases=aliases,
            path=(root,),
        )
        facts.append((camera_id(CITY, code), installed))
    return facts


@dataclass
class Stage:
    """The desk on a log."""

    log: EventLog
    clock: StandingClock = field(default_factory=StandingClock)

    async def set_up(self) -> Stage:
        self.ids = FreshIds()
        self.scribe = Scribe(self.log, MemorySealer(), self.clock)
        self.directory = Directory(self.log, CITY)
        self.desk = AlertDesk(self.scribe, self.directory, self.ids)
        changes = [Change(stream, 0, (event,)) for stream, event in city_facts()]  # type: ignore[arg-type]
        actor = Actor(kind=ActorKind.SYSTEM, id="test")
        await self.scribe.record(changes, Request(actor, NOW, self.ids.new()))
        await self.directory.catch_up()
        return self

    async def receive(self, *drafts: Draft, sender: Sender = EAST_GATEWAY) -> list[AlertReceipt | Refusal]:
        return await self.desk.receive([Arrival(draft, sender) for draft in drafts])

    async def receipt(self, draft: Draft, sender: Sender = EAST_GATEWAY) -> AlertReceipt:
        (receipt,) = await self.receive(draft, sender=sender)
        assert isinstance(receipt, AlertReceipt), receipt
        return receipt

    async def facts(self, *prefixes: str) -> list[Fact[Event]]:
        rows = await self.log.read_after(0, limit=10_000)
        return [as_fact(row) for row in rows if row.topic.startswith(prefixes or ("alert.",))]


def refusal_of(adapter: str, body: bytes | str, **delivery: object) -> NotUnderstood:
    with pytest.raises(NotUnderstood) as caught:
        parse(adapter, body, **delivery)
    return caught.value
