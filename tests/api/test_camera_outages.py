"""A camera says by itself that it sees nothing: from the vendor's bytes over HTTP to lists, history and outages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dispatch.workers.conditions import Conditions
from dispatch.workers.ownership import SoleOwnership
from dispatch.workers.reactor import ReactorRunner
from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge
from tests.api.test_camera_conditions import EAST_CAMERA, STATION, finds, listed, says

HIKVISION = (
    "<EventNotificationAlert><macAddress>02:51:01:00:00:2a</macAddress><channelID>1</channelID>"
    "<dateTime>{at}</dateTime><eventType>{word}</eventType><eventState>{state}</eventState></EventNotificationAlert>"
)
DAHUA = '{{"Code":"{word}","Action":"{state}","Index":0,"Time":"{at}"}}'
ONVIF = (
    '<NotificationMessage><Topic>tns1:{word}</Topic><Message><Message UtcTime="{at}" PropertyOperation="Changed">'
    '<Source><SimpleItem Name="Source" Value="v1"/></Source><Data><SimpleItem Name="State" Value="{state}"/></Data>'
    "</Message></Message></NotificationMessage>"
)
GB28181 = (
    "<Notify><CmdType>Alarm</CmdType><SN>1</SN><DeviceID>" + town.EAST_CAMERA + "</DeviceID>"
    "<AlarmPriority>1</AlarmPriority><AlarmMethod>{word}</AlarmMethod><AlarmTime>{at}</AlarmTime>"
    "<Info><AlarmType>{state}</AlarmType></Info></Notify>"
)
XML = "application/xml"


class Camera:
    """The camera of the east, as its vendor's messages tell of it."""

    def __init__(self, edge: Edge, adapter: str, media: str, form: str) -> None:
        self.edge, self.adapter, self.media, self.form = edge, adapter, media, form
        self.began_at = edge.services.clock.now() - timedelta(minutes=10)

    async def tells(self, word: str, state: str, *, minute: int) -> dict[str, Any]:
        """The answer; what follows has happened and is shown."""
        edge, services = self.edge, self.edge.services
        at = (self.began_at + timedelta(minutes=minute)).isoformat(timespec="seconds")
        headers = edge.as_role(Role.GATEWAY, gateway=town.GATEWAY) | {"Content-Type": self.media}
        answer = await edge.client.post(
            f"/v1/ingest/{self.adapter}?camera={town.EAST_CAMERA}",
            content=self.form.format(word=word, state=state, at=at),
            headers=headers,
        )
        assert answer.status_code in {200, 201}, answer.text
        keeper = Conditions(log=services.log)
        await ReactorRunner(keeper, log=services.log, scribe=services.scribe, ownership=SoleOwnership()).drain()
        await services.directory.catch_up()
        await edge.project()
        told: dict[str, Any] = answer.json()
        return told

    async def is_listed(self, health: str) -> bool:
        return await listed(self.edge, health=health) == [EAST_CAMERA]

    async def shown(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.edge.read(f"/v1/cameras/{EAST_CAMERA}", by=STATION)
        return found


@pytest.mark.parametrize(
    ("adapter", "media", "form", "word", "lost", "seen"),
    [
        ("hikvision", XML, HIKVISION, "videoloss", "active", "inactive"),
        ("dahua", "application/json", DAHUA, "VideoLoss", "Start", "Stop"),
        ("onvif", XML, ONVIF, "VideoSource/SignalLoss", "true", "false"),
    ],
)
async def test_a_loss_of_video_is_an_outage_until_the_device_ends_it(
    edge: Edge, adapter: str, media: str, form: str, word: str, lost: str, seen: str
) -> None:
    camera = Camera(edge, adapter, media, form)
    alert = await camera.tells(word, lost, minute=0)
    (fact,) = (await edge.read(f"/v1/alerts/{alert['alert_id']}"))["facts"]
    assert fact["content"]["kind"] == "video_loss", "the alert is there as ever"
    assert await camera.is_listed("offline")
    shown = await camera.shown()
    assert (shown["health_source"], shown["health_reason"]) == ("device", f"{adapter}:{word}".lower())
    await camera.tells(word, lost, minute=1)
    await says(edge, {"camera": "cam_1", "health": "online"})
    assert await camera.is_listed("offline"), "the line to it is well, and it sees nothing"
    await camera.tells(word, seen, minute=5)
    assert await camera.is_listed("online")
    (spell,) = (await edge.read(f"/v1/cameras/{EAST_CAMERA}/history", by=STATION))["spells"]
    began_at, ended_at = (camera.began_at.replace(microsecond=0) + timedelta(minutes=each) for each in (0, 5))
    times = [spell[name].replace("Z", "+00:00") for name in ("began_at", "ended_at")]
    assert times == [began_at.isoformat(), ended_at.isoformat()]


async def test_a_national_standard_camera_is_lost_until_its_gateway_says_otherwise(edge: Edge) -> None:
    camera = Camera(edge, "gb28181", XML, GB28181)
    await camera.tells("2", "1", minute=0)
    assert await camera.is_listed("offline")
    assert (await says(edge, {"camera": "cam_1", "health": "online"}))["changed"] == 1
    assert await camera.is_listed("online")


async def test_a_covered_camera_is_degraded_until_a_person_says_otherwise(edge: Edge) -> None:
    camera = Camera(edge, "hikvision", XML, HIKVISION)
    await camera.tells("shelteralarm", "active", minute=0)
    assert await camera.is_listed("degraded")
    assert (await finds(edge, {"health": "online", "reason": "已清洗"})).status_code == 200
    assert await camera.is_listed("online")


async def test_a_keep_alive_of_a_camera_that_sees_stays_unrecorded(edge: Edge) -> None:
    camera = Camera(edge, "hikvision", XML, HIKVISION)
    before = (await edge.services.log.tip()).position
    assert (await camera.tells("videoloss", "inactive", minute=0))["heartbeat"] is True
    assert (await edge.services.log.tip()).position == before
