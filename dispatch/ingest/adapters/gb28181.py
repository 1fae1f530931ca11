"""GB/T 28181 alarm notices (Annex A.2.5): the XML body of a SIP MESSAGE, in GB 2312, GBK, GB 18030 or UTF-8.

Identity: the serial (`SN`) counts one device's commands and starts again after a reboot, so it names nothing alone.
Ours is source + DeviceID + SN + `AlarmTime` as written + method + type. Another priority under the same identity is
recorded as a revision: that is how a device raises an alarm.

`AlarmTime` has no zone in any edition of the standard: the city's is assumed and said. Position 0,0 is what devices
without a receiver send; it is no position. The datum is not given by the standard; WGS 84 unless whoever configured
the sender says `crs=gcj02`.
"""

from __future__ import annotations

import math
from typing import ClassVar
from xml.etree.ElementTree import Element

from dispatch.ingest.hardened_xml import local, parse_xml, text_of
from dispatch.ingest.message import Delivery, NotUnderstood, Parsed, clean, device_time, draft, identity, place_at, tidy
from domain.event import Place
from domain.vocabulary import AlertKind, AlertPhase, CameraHealth, Severity

SEVERITIES: dict[str, Severity] = {
    "1": Severity.EXTREME,
    "2": Severity.SEVERE,
    "3": Severity.MODERATE,
    "4": Severity.MINOR,
}
"""AlarmPriority: 1 is the first, most urgent class of police alarm."""
KINDS: dict[tuple[str, str | None], AlertKind] = {
    ("2", None): AlertKind.IO_ALARM,
    ("2", "1"): AlertKind.VIDEO_LOSS,
    ("2", "2"): AlertKind.TAMPER,
    ("5", "2"): AlertKind.MOTION,
    ("5", "5"): AlertKind.LINE_CROSSING,
    ("5", "6"): AlertKind.INTRUSION,
    ("5", "7"): AlertKind.VEHICLE,
    ("5", "8"): AlertKind.LOITERING,
    ("5", "10"): AlertKind.CROWD,
    ("5", "11"): AlertKind.TAMPER,
}
"""(AlarmMethod, AlarmType): 2 is the device itself, 5 video analysis. Telephone (1), SMS (3), GPS (4), device fault
(6), other (7), and disk, temperature, left-object, removed-object, counting and speed types are `other`, with the
numbers kept."""

TROUBLES: dict[tuple[str, str | None], CameraHealth] = {
    ("2", "1"): CameraHealth.OFFLINE,
    ("2", "2"): CameraHealth.DEGRADED,
    ("5", "11"): CameraHealth.DEGRADED,
}
"""How well a camera sees that says so. The notice has no end: it holds until the gateway or a person says `online`."""


class Gb28181Adapter:
    """Alarms of national-standard cameras, platforms and gateways."""

    name: ClassVar[str] = "gb28181"
    media_types: ClassVar[tuple[str, ...]] = ("application/manscdp+xml", "application/xml", "text/xml")
    example: ClassVar[tuple[str, str]] = (
        "application/xml",
        (
            "<Notify><CmdType>Alarm</CmdType><SN>7</SN><DeviceID>51010700001320000042</DeviceID>"
            "<AlarmPriority>1</AlarmPriority><AlarmMethod>5</AlarmMethod><AlarmTime>2026-08-01T21:14:05</AlarmTime>"
            "<Info><AlarmType>6</AlarmType></Info></Notify>"
        ),
    )

    def parse(self, body: bytes, delivery: Delivery) -> Parsed:
        """One alarm a message."""
        root = parse_xml(body)
        _check_is_alarm(root)
        device = text_of(root, "DeviceID")
        if device is None:
            raise NotUnderstood("ingest.malformed", "The alarm has no DeviceID.", pointer="/Notify/DeviceID")
        method, kind = text_of(root, "AlarmMethod") or "", _alarm_type(root)
        said = device_time(text_of(root, "AlarmTime"), delivery.zone)
        serial = text_of(root, "SN") or ""
        alert = draft(
            delivery,
            said,
            cameras=(clean(device, 100),),
            adapter=self.name,
            source_event_id=identity(device, serial, said.text or "", method, kind or ""),
            kind=KINDS.get((method, kind), AlertKind.OTHER),
            trouble=TROUBLES.get((method, kind)),
            vendor_type=clean(f"method={method or '?'} type={kind or '?'}", 100),
            phase=AlertPhase.SINGLE,
            severity=SEVERITIES.get(text_of(root, "AlarmPriority") or "", Severity.UNKNOWN),
            place=_place(root, delivery),
            text=tidy(text_of(root, "AlarmDescription"), 4_000),
        )
        return Parsed((alert,))


def _check_is_alarm(root: Element) -> None:
    """Notices and answers of other commands are understood and are no alarms."""
    command, kind = local(root), text_of(root, "CmdType")
    if command not in {"Notify", "Response", "Query", "Control"}:
        raise NotUnderstood(
            "ingest.wrong_document", f"The root element is {clean(command, 100)}; a GB/T 28181 Notify was expected."
        )
    carries_alarm = text_of(root, "AlarmPriority") is not None or text_of(root, "AlarmMethod") is not None
    if command == "Notify" and carries_alarm and kind in {"Alarm", None}:
        return
    if command == "Notify" and kind == "Alarm":
        raise NotUnderstood("ingest.malformed", "The alarm has neither AlarmPriority nor AlarmMethod.")
    raise NotUnderstood(
        "ingest.not_an_alarm",
        f"This is a {clean(command, 100)} of command {clean(kind or '?', 100)}, not an alarm notice. Nothing was"
        " recorded; send only Notify messages of CmdType Alarm here.",
    )


def _alarm_type(root: Element) -> str | None:
    """Since 2016 below `Info`; many senders put it beside the method."""
    return text_of(root, "Info", "AlarmType") or text_of(root, "AlarmType")


def _place(root: Element, delivery: Delivery) -> Place:
    lon_text, lat_text = text_of(root, "Longitude"), text_of(root, "Latitude")
    if lon_text is None or lat_text is None:
        return Place()
    try:
        lon, lat = float(lon_text), float(lat_text)
    except ValueError:
        lon = lat = math.nan
    if not (math.isfinite(lon) and math.isfinite(lat)):
        raise NotUnderstood(
            "ingest.malformed",
            f"Longitude {clean(lon_text, 50)} and latitude {clean(lat_text, 50)} are not numbers of degrees.",
            pointer="/Notify/Longitude",
        )
    if lon == 0 and lat == 0:
        return Place()
    return place_at(lon, lat, delivery.crs, pointer="/Notify/Longitude")
