"""What cameras and recorders say of their own seeing is understood, each format in its own words."""

from __future__ import annotations

import pytest

from dispatch.handling.cameras import ConditionDesk
from dispatch.handling.scribe import Change, Request
from dispatch.workers.conditions import Conditions
from dispatch.workers.ownership import SoleOwnership
from dispatch.workers.reactor import ReactorRunner
from domain.alert.events import AlertReceived
from domain.camera.commands import ReportHealth
from domain.camera.events import CameraDetached, CameraHealthChanged
from domain.camera.vocabulary import ConditionSource
from domain.identifiers import camera_id
from domain.vocabulary import CameraHealth
from tests.ingest.stage import CAMERA, CITY, EAST_GATEWAY, MAC, OPERATOR, WEST_GATEWAY, Stage, draft_of, parse

ONLINE, DEGRADED, OFFLINE = CameraHealth.ONLINE, CameraHealth.DEGRADED, CameraHealth.OFFLINE
ISAPI = (
    f"<EventNotificationAlert><macAddress>{MAC}</macAddress><channelID>1</channelID>"
    "<dateTime>2026-08-01T21:14:{2:02}+08:00</dateTime><eventType>{0}</eventType><eventState>{1}</eventState>"
    "</EventNotificationAlert>"
)
DAHUA = 'Code={0};action={1};index=0;data={{"RealUTC":1785590045}}'
DAHUA_AT = '{{"Code":"VideoLoss","Action":"{0}","Index":0,"Time":"2026-08-01T21:13:{1}+08:00"}}'
ONVIF = (
    '<NotificationMessage><Topic>tns1:{0}</Topic><Message><Message UtcTime="2026-08-01T13:14:05Z"'
    ' PropertyOperation="Changed"><Source><SimpleItem Name="Source" Value="v1"/></Source>'
    '<Data><SimpleItem Name="State" Value="{1}"/></Data></Message></Message></NotificationMessage>'
)
GB28181 = (
    f"<Notify><CmdType>Alarm</CmdType><SN>1</SN><DeviceID>{CAMERA}</DeviceID><AlarmPriority>1</AlarmPriority>"
    "<AlarmMethod>{0}</AlarmMethod><AlarmTime>2026-08-01T21:14:05</AlarmTime><Info><AlarmType>{1}</AlarmType></Info>"
    "</Notify>"
)
NATIVE = '{{"id":"1","kind":"{0}","phase":"{1}","camera":"cam_00042","occurred_at":"2026-08-01T13:14:05Z"}}'


@pytest.mark.parametrize(
    ("adapter", "body", "health"),
    [
        ("hikvision", ISAPI.format("videoloss", "active", 5), OFFLINE),
        ("hikvision", ISAPI.format("shelteralarm", "active", 5), DEGRADED),
        ("hikvision", ISAPI.format("shelteralarm", "inactive", 5), ONLINE),
        ("hikvision", ISAPI.format("diskerror", "active", 5), None),
        ("hikvision", ISAPI.format("fielddetection", "inactive", 5), None),
        ("dahua", DAHUA.format("VideoLoss", "Start"), OFFLINE),
        ("dahua", DAHUA.format("VideoLoss", "Stop"), ONLINE),
        ("dahua", DAHUA.format("VideoBlind", "Start"), DEGRADED),
        ("dahua", DAHUA.format("StorageFailure", "Start"), None),
        ("dahua", DAHUA.format("CrossLineDetection", "Stop"), None),
        ("onvif", ONVIF.format("VideoSource/SignalLoss", "true"), OFFLINE),
        ("onvif", ONVIF.format("VideoSource/SignalLoss", "false"), ONLINE),
        ("onvif", ONVIF.format("VideoSource/GlobalSceneChange/AnalyticsService", "true"), DEGRADED),
        ("onvif", ONVIF.format("VideoSource/ImageTooDark/ImagingService", "false"), ONLINE),
        ("onvif", ONVIF.format("Device/Casing/Open", "true"), None),
        ("gb28181", GB28181.format(2, 1), OFFLINE),
        ("gb28181", GB28181.format(2, 2), DEGRADED),
        ("gb28181", GB28181.format(2, 3), None),
        ("native", NATIVE.format("video_loss", "start"), OFFLINE),
        ("native", NATIVE.format("video_loss", "end"), ONLINE),
        ("native", NATIVE.format("motion", "end"), None),
    ],
)
def test_each_format_says_in_its_own_words_how_well_a_camera_sees(
    adapter: str, body: str, health: CameraHealth | None
) -> None:
    assert draft_of(adapter, body).camera_health is health


@pytest.mark.parametrize("body", [ISAPI.format("videoloss", "inactive", 5), ISAPI.format("heartbeat", "active", 5)])
def test_a_keep_alive_stays_one(body: str) -> None:
    parsed = parse("hikvision", body)
    assert (parsed.entries, parsed.heartbeat) == ((), True)
    without_time = parse("hikvision", body.replace("dateTime", "noTime"))
    assert (without_time.entries, without_time.heartbeat, without_time.all_clears) == ((), True, ())


class Learning:
    """A city that hears of its cameras and learns from it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    async def hears(self, body: str, adapter: str = "hikvision", **delivery: object) -> None:
        await self.stage.receipt(draft_of(adapter, body, **delivery))

    async def learns(self) -> list[CameraHealthChanged]:
        """Every change of a camera's health by now."""
        keeper = Conditions(log=self.stage.log)
        scribe = self.stage.scribe
        await ReactorRunner(keeper, log=self.stage.log, scribe=scribe, ownership=SoleOwnership()).drain()
        await self.stage.directory.catch_up()
        facts = await self.stage.facts(CameraHealthChanged.name)
        return [fact.event for fact in facts if isinstance(fact.event, CameraHealthChanged)]


@pytest.fixture
def city(stage: Stage) -> Learning:
    return Learning(stage)


def said(changes: list[CameraHealthChanged]) -> list[tuple[str | None, CameraHealth, CameraHealth]]:
    return [(each.reason, each.health, each.effective) for each in changes]


LOSS = "hikvision:videoloss"


async def test_a_loss_of_video_makes_a_known_camera_offline_once(city: Learning) -> None:
    for second in (5, 6, 7):
        await city.hears(ISAPI.format("videoloss", "active", second))
    (change,) = await city.learns()
    assert (change.source, change.reason, change.effective) == (ConditionSource.DEVICE, LOSS, OFFLINE)
    await city.hears(ISAPI.format("videoloss", "active", 8))
    await city.hears(ISAPI.format("videoloss", "active", 8))
    assert len(await city.learns()) == 1, "what repeats changes nothing"
    alerts = [fact for fact in await city.stage.facts() if isinstance(fact.event, AlertReceived)]
    assert len(alerts) == 4, "each alert is recorded as ever"
    (fact,) = await city.stage.facts(CameraHealthChanged.name)
    assert (fact.stream_id, fact.occurred_at) == (camera_id(CITY, CAMERA), alerts[2].occurred_at)


async def test_it_is_over_when_the_device_says_so_and_a_late_word_changes_nothing(city: Learning) -> None:
    await city.hears(DAHUA_AT.format("Start", 40), "dahua", camera=CAMERA)
    await city.hears(DAHUA_AT.format("Stop", 45), "dahua", camera=CAMERA)
    await city.hears(DAHUA_AT.format("Start", 42), "dahua", camera=CAMERA)
    word = "dahua:videoloss"
    assert said(await city.learns()) == [(word, OFFLINE, OFFLINE), (word, ONLINE, ONLINE)]


async def test_a_camera_nobody_knows_or_uses_does_no_harm(city: Learning) -> None:
    unknown = ISAPI.replace(MAC, "02:51:01:00:00:ff")
    await city.hears(unknown.format("videoloss", "active", 5))
    await city.hears(ISAPI.format("videoloss", "active", 5))
    stage = city.stage
    detached = Change(camera_id(CITY, CAMERA), None, (CameraDetached(reason="over"),))
    await stage.scribe.record([detached], Request(OPERATOR.actor, stage.clock.now(), stage.ids.new()))
    assert await city.learns() == []


async def test_only_a_keep_alive_that_ends_a_loss_of_video_is_worth_recording(city: Learning) -> None:
    (clear,) = parse("hikvision", ISAPI.format("videoloss", "inactive", 30)).all_clears
    assert not city.stage.desk.ends_trouble(clear, EAST_GATEWAY)
    await city.hears(ISAPI.format("videoloss", "active", 5))
    await city.learns()
    assert city.stage.desk.ends_trouble(clear, EAST_GATEWAY)
    assert not city.stage.desk.ends_trouble(clear, WEST_GATEWAY), "another gateway's camera of that name"
    await city.stage.receipt(clear)
    assert said(await city.learns()) == [(LOSS, OFFLINE, OFFLINE), (LOSS, ONLINE, ONLINE)]
    assert not city.stage.desk.ends_trouble(clear, EAST_GATEWAY)


async def test_a_word_is_decided_on_what_a_person_said_in_between(city: Learning) -> None:
    stage = city.stage
    await city.hears(ISAPI.format("videoloss", "active", 5))
    await city.learns()
    desk = ConditionDesk(stage.scribe, stage.directory)
    seen = ReportHealth(health=ONLINE, source=ConditionSource.OPERATOR, reason="I see")
    await desk.say(camera_id(CITY, CAMERA), [seen], Request(OPERATOR.actor, stage.clock.now(), stage.ids.new()))
    assert [each.effective for each in await city.learns()] == [OFFLINE, ONLINE]
    await city.hears(ISAPI.format("videoloss", "active", 50))
    assert [each.effective for each in await city.learns()] == [OFFLINE, ONLINE, OFFLINE]
