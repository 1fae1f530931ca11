"""What devices, warning services and people send in the evening: real formats, written for this project."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from dispatch.directory_entries import CameraEntry
from domain.event import GeoPoint


def hikvision_field_detection(camera: CameraEntry, at: datetime) -> bytes:
    """ISAPI EventNotificationAlert; the camera is named by MAC address and channel, there is no id."""
    mac = camera.aliases[0].partition("/")[0]
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<EventNotificationAlert version="2.0" xmlns="http://www.hikvision.com/ver20/XMLSchema">
<ipAddress>10.51.4.17</ipAddress><portNo>80</portNo><protocol>HTTP</protocol><macAddress>{mac}</macAddress>
<channelID>1</channelID><dateTime>{_local(at)}</dateTime><activePostCount>1</activePostCount>
<eventType>fielddetection</eventType><eventState>active</eventState>
<eventDescription>fielddetection alarm</eventDescription>
<DetectionRegionList><DetectionRegionEntry><regionID>1</regionID><sensitivityLevel>60</sensitivityLevel>
<RegionCoordinatesList><RegionCoordinates><positionX>210</positionX><positionY>140</positionY></RegionCoordinates>
<RegionCoordinates><positionX>640</positionX><positionY>820</positionY></RegionCoordinates></RegionCoordinatesList>
<detectionTarget>human</detectionTarget></DetectionRegionEntry></DetectionRegionList>
<channelName>{camera.label}</channelName></EventNotificationAlert>""".encode()


def frigate_event(camera: CameraEntry, at: datetime, *, phase: str, event_id: str) -> bytes:
    """`frigate/events`: new, update and end share an id. The camera has the name the recorder gave it."""
    began = at.timestamp()
    after = {
        "id": event_id,
        "camera": camera.aliases[1],
        "label": "person",
        "sub_label": None,
        "frame_time": began + (0.0 if phase == "new" else 2.5),
        "start_time": began,
        "end_time": began + 9.0 if phase == "end" else None,
        "top_score": 0.91,
        "score": 0.88,
        "false_positive": False,
        "entered_zones": ["wall"],
        "current_zones": ["wall"],
        "has_snapshot": True,
        "has_clip": phase == "end",
        "stationary": False,
    }
    return json.dumps({"type": phase, "before": {**after, "score": 0.7}, "after": after}).encode()


def gb28181_alarm(camera: CameraEntry, at: datetime, *, serial: int) -> bytes:
    """A national-standard alarm notice in GB 2312, without coordinates, its time without a zone."""
    text = f"""<?xml version="1.0" encoding="GB2312"?>
<Notify><CmdType>Alarm</CmdType><SN>{serial}</SN><DeviceID>{camera.code}</DeviceID><AlarmPriority>3</AlarmPriority>
<AlarmMethod>5</AlarmMethod><AlarmTime>{_local(at)[:19]}</AlarmTime>
<AlarmDescription>翻越围栏报警</AlarmDescription><Info><AlarmType>6</AlarmType></Info></Notify>"""
    return text.encode("gb2312")


def cap_flood_warning(around: GeoPoint, at: datetime, *, status: str, identifier: str) -> bytes:
    """CAP 1.2: a flood warning over a square of about 4 km."""
    west, south, east, north = around.lon - 0.02, around.lat - 0.02, around.lon + 0.02, around.lat + 0.02
    ring = " ".join(
        f"{lat:.5f},{lon:.5f}"
        for lat, lon in ((south, west), (south, east), (north, east), (north, west), (south, west))
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>{identifier}</identifier>
<sender>duty@water.example.cn</sender><sent>{_local(at)}</sent><status>{status}</status><msgType>Alert</msgType>
<scope>Public</scope><info><language>zh-CN</language><category>Met</category><event>暴雨洪水</event>
<urgency>Immediate</urgency><severity>Severe</severity><certainty>Likely</certainty>
<expires>{_local(at + timedelta(hours=6))}</expires><senderName>市防汛抗旱指挥部</senderName>
<headline>锦江暴雨洪水预警</headline><description>未来三小时锦江水位将超警戒。</description>
<instruction>请远离下穿隧道和河岸。</instruction><area><areaDesc>锦江沿线</areaDesc><polygon>{ring}</polygon></area>
</info></alert>""".encode()


def native_alert(
    camera: CameraEntry, at: datetime, *, alert_id: str, kind: str, severity: str, text: str
) -> dict[str, object]:
    """One alert in our own format."""
    return {
        "id": alert_id,
        "kind": kind,
        "severity": severity,
        "camera": camera.code,
        "occurred_at": at.isoformat(),
        "text": text,
    }


def _local(at: datetime) -> str:
    return (at.astimezone(_CITY_OFFSET)).isoformat(timespec="seconds")


_CITY_OFFSET = datetime.fromisoformat("2000-01-01T00:00:00+08:00").tzinfo
