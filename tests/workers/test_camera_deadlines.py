"""Silent gateways and attachments that ran out, on a clock by hand: each is a fact once, whoever looks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from dispatch.handling.cameras import CameraSaid, ConditionDesk
from dispatch.handling.scribe import Request
from dispatch.ingest.hearing import Hearing, MemoryHeardGateways
from dispatch.workers.ownership import SoleOwnership
from dispatch.workers.timers.gateways import GatewayPart
from dispatch.workers.timers.watch import Timers
from domain.camera.events import CameraAttached, CameraDetached, CameraExpired, CameraHealthChanged, CameraInstalled
from domain.camera.vocabulary import ConditionSource
from domain.event import Actor
from domain.gateway.events import GatewayFellSilent, GatewayHeardAgain, GatewayPromised, GatewayPromiseWithdrawn
from domain.identifiers import camera_id, gateway_stream, named
from domain.vocabulary import ActorKind, CameraHealth
from tests.workers.town import CITY, WEST, Town

GATEWAY = "gateway-1"
STREAM = gateway_stream(CITY, GATEWAY)
SOCIAL = camera_id(CITY, "social-1")


class Listening:
    """A town whose gateway promises a sign of life every 180 s; it was promised at the town's noon."""

    def __init__(self, town: Town, heard: MemoryHeardGateways | None = None) -> None:
        """`heard`: what another process of the same town writes down too."""
        self.town = town
        self.heard = heard or MemoryHeardGateways()
        self.hearing = Hearing(self.heard, town.clock)
        self.restart()

    def restart(self) -> None:
        self.town.restart()
        self.timers = Timers(
            log=self.town.log,
            scribe=self.town.scribe,
            directory=self.town.directory,
            clock=self.town.clock,
            ownership=SoleOwnership(),
            heard=self.heard,
        )

    async def look(self, seconds: float = 0) -> int:
        self.town.clock.advance(seconds=seconds)
        await self.hearing.write()
        return await self.timers.step()

    async def speaks(self) -> None:
        self.hearing.note(GATEWAY)
        await self.hearing.write()


async def listening() -> Listening:
    town = await Town().found()
    await town.record(STREAM, GatewayPromised(city=CITY, gateway=GATEWAY, silent_after_s=180))
    found = Listening(town)
    await found.look()
    return found


async def test_a_gateway_that_says_nothing_falls_silent_once_and_is_heard_again_once() -> None:
    found = await listening()
    began = found.town.clock.now()
    assert await found.look(185) == 0, "what it said may not be written down yet"
    assert await found.look(10) == 1
    assert [await found.look(60) for _ in range(3)] == [0, 0, 0]
    (fell,) = await found.town.events(GatewayFellSilent)
    assert (fell.last_heard_at, fell.due_at, fell.late_s) == (began, began + timedelta(seconds=180), 15)
    await found.speaks()
    assert await found.look(6) == 1
    assert await found.look(60) == 0
    (again,) = await found.town.events(GatewayHeardAgain)
    assert (again.silent_s, again.number) == (375, 1)
    assert await found.look(180) == 1, "and silent a second time"
    assert [each.number for each in await found.town.events(GatewayFellSilent)] == [1, 2]


async def test_what_was_said_of_a_gateway_is_due_no_more() -> None:
    found = await listening()
    (part,) = [each for each in found.timers.parts if isinstance(each, GatewayPart)]
    assert [await found.look(195), await found.look()] == [1, 0]
    assert part.dues.next_at() is None, "or the timers would look again at once, until the next look"
    await found.speaks()
    assert [await found.look(6), await found.look()] == [1, 0]
    assert part.dues.next_at() is None


class Counted(MemoryHeardGateways):
    """Counts who asks."""

    asked = 0

    async def all(self) -> Mapping[str, datetime]:
        self.asked += 1
        return await super().all()


async def test_a_city_whose_gateways_promise_nothing_is_not_asked_when_they_were_heard() -> None:
    found = await listening()
    found.heard = counted = Counted()
    found.restart()
    await found.look()
    assert counted.asked == 1
    await found.town.record(STREAM, GatewayPromiseWithdrawn(reason="taken down"))
    assert [await found.look(6) for _ in range(3)] == [0, 0, 0]
    assert counted.asked == 1


async def test_a_gateway_that_speaks_in_time_is_never_silent() -> None:
    found = await listening()
    for _ in range(20):
        await found.speaks()
        assert await found.look(150) == 0


async def test_nobody_is_called_silent_for_the_time_in_which_we_were_deaf() -> None:
    found = await listening()
    await found.speaks()
    found.town.clock.advance(hours=5)
    found.restart()
    assert await found.look() == 0
    await found.speaks()
    assert await found.look(150) == 0
    assert await found.look(45) == 1, "but silence after that is"


async def test_a_silence_outlives_a_restart_and_two_who_look_record_it_once() -> None:
    found = await listening()
    other = Listening(found.town, found.heard)
    await other.look()
    found.town.clock.advance(seconds=30)
    await found.speaks()
    last_heard_at = found.town.clock.now()
    found.town.clock.advance(seconds=200)
    assert await other.timers.step() + await found.timers.step() == 1
    found.restart()
    assert [await found.look(200) for _ in range(3)] == [0, 0, 0]
    (fell,) = await found.town.events(GatewayFellSilent)
    assert fell.last_heard_at == last_heard_at, "what one of them heard the other knows"


async def test_who_promises_nothing_any_more_is_not_missed() -> None:
    found = await listening()
    await found.town.record(STREAM, GatewayPromiseWithdrawn(reason="taken down"))
    assert await found.look(10_000) == 0


async def attached(town: Town, days: float) -> CameraAttached:
    event = CameraAttached(
        city=CITY,
        code="social-1",
        label="mall",
        location=WEST,
        owner="mall",
        approved_by="li",
        reason="summer",
        expires_at=town.clock.now() + timedelta(days=days),
    )
    await town.record(SOCIAL, event)
    return event


async def test_an_attachment_that_ran_out_is_a_fact_also_after_a_restart() -> None:
    town = await Town().found()
    event = await attached(town, 30)
    assert await town.timers.step() == 0
    town.clock.advance(days=30, seconds=-1)
    assert await town.timers.step() == 0
    town.clock.advance(hours=2)
    town.restart()
    assert [await town.timers.step() for _ in range(2)] == [1, 0]
    (expired,) = await town.events(CameraExpired)
    assert (expired.due_at, expired.late_s) == (event.expires_at, 7_199)
    await town.directory.catch_up()
    assert town.directory.camera("social-1") is None


async def test_one_that_was_renewed_or_detached_meanwhile_does_not_run_out() -> None:
    town = await Town().found()
    await attached(town, 1)
    await town.timers.step()
    town.clock.advance(hours=23)
    await attached(town, 10)
    town.clock.advance(hours=2)
    assert await town.timers.step() == 0
    await town.record(SOCIAL, CameraDetached(reason="over"))
    town.clock.advance(days=30)
    assert await town.timers.step() == 0


async def test_what_a_gateway_repeats_of_many_cameras_loads_and_records_nothing() -> None:
    town = await Town().found()
    for number in range(50):
        code = f"own-{number}"
        installed = CameraInstalled(
            city=CITY, code=code, site_id=named("test", "site"), label=code, location=WEST, gateway=GATEWAY
        )
        await town.record(camera_id(CITY, code), installed)
    await attached(town, 30)
    await town.directory.catch_up()
    desk = ConditionDesk(town.scribe, town.directory)
    count = 0

    async def says(states: dict[str, CameraHealth], gateway: str = GATEWAY):
        nonlocal count
        count += 1
        request = Request(Actor(kind=ActorKind.GATEWAY, id=gateway), town.clock.now(), named("says", str(count)))
        said = [CameraSaid(camera=code, health=health) for code, health in states.items()]
        return await desk.take(gateway, said, ConditionSource.GATEWAY, request)

    well = {f"own-{number}": CameraHealth.ONLINE for number in range(50)}
    before = await town.log.tip()
    assert (await says(well)).changed == 0
    assert await town.log.tip() == before
    broken = well | {"own-7": CameraHealth.OFFLINE, "social-1": CameraHealth.DEGRADED, "nobody": CameraHealth.OFFLINE}
    first, second = await says(broken), await says(broken)
    assert (first.changed, second.changed, first.unknown) == (2, 0, ("nobody",))
    assert len(await town.events(CameraHealthChanged)) == 2
    foreign = await says({"own-7": CameraHealth.ONLINE}, "gateway-2")
    assert (foreign.changed, foreign.foreign) == (0, ("own-7",))
    assert (await says(well)).changed == 1


async def test_a_camera_that_is_named_twice_in_a_report_is_as_its_last_word_says() -> None:
    town = await Town().found()
    key = camera_id(CITY, "own-1")
    installed = {"city": CITY, "code": "own-1", "site_id": named("test", "site"), "label": "gate", "location": WEST}
    await town.record(key, CameraInstalled(**installed, gateway=GATEWAY, aliases=("cam-1",)))
    desk = ConditionDesk(town.scribe, town.directory)

    async def says(*said: tuple[str, CameraHealth]) -> list[CameraHealth]:
        request = Request(Actor(kind=ActorKind.GATEWAY, id=GATEWAY), town.clock.now(), named("says", repr(said)))
        states = [CameraSaid(camera=camera, health=health) for camera, health in said]
        await desk.take(GATEWAY, states, ConditionSource.GATEWAY, request)
        await town.directory.catch_up()
        return [event.health for event in await town.events(CameraHealthChanged)]

    offline, online = CameraHealth.OFFLINE, CameraHealth.ONLINE
    assert await says(("own-1", offline), ("cam-1", online)) == []
    assert await says(("own-1", online), ("cam-1", offline)) == [offline]
    assert await says(("own-1", online), ("own-1", offline)) == [offline]
    assert await says(("cam-1", offline), ("own-1", online)) == [offline, online]
