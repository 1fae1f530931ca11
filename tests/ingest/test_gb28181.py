"""Alarms of GB/T 28181 are understood, in either encoding."""

from __future__ import annotations

import pytest

from domain.event import GeoPoint
from domain.geography import distance_m
from domain.vocabulary import (
    AlertKind,
    ClockQuality,
    CoordinateSystem,
    Severity,
)
from tests.ingest.stage import CAMERA, draft_of, fixture, refusal_of

ALARM = fixture("gb28181_alarm.xml").decode()


class TestGb28181:
    @pytest.mark.parametrize("codec", ["gb2312", "gbk", "gb18030"])
    def test_national_character_sets_are_read_declared_or_not(self, codec: str):
        declared = ALARM.replace("GB2312", codec.upper()).encode(codec)
        silent = ALARM.split("?>", 1)[1].encode(codec)
        for body in (declared, silent):
            assert draft_of("gb28181", body).content.text == "锦江桥头有人翻越护栏"

    def test_utf8_is_read_declared_silent_with_mark_or_declared_as_something_else(self):
        right = ALARM.replace("GB2312", "UTF-8")
        bodies = [right.encode(), right.split("?>", 1)[1].encode(), b"\xef\xbb\xbf" + right.encode()]
        for body in bodies:
            assert draft_of("gb28181", body).content.text == "锦江桥头有人翻越护栏"
        wrong = ALARM.replace("GB2312", "UTF-8").encode("gb2312")
        assert draft_of("gb28181", wrong).content.text == "锦江桥头有人翻越护栏"

    def test_method_and_type_say_the_kind_and_priority_the_severity(self):
        draft = draft_of("gb28181", ALARM)
        content = draft.content
        assert (content.kind, content.severity) == (AlertKind.INTRUSION, Severity.SEVERE)
        assert content.vendor_type == "method=5 type=6"
        assert draft.cameras == (CAMERA,)

    @pytest.mark.parametrize(
        ("priority", "severity"),
        [("1", Severity.EXTREME), ("4", Severity.MINOR), ("9", Severity.UNKNOWN), ("", Severity.UNKNOWN)],
    )
    def test_priority_one_is_the_most_urgent(self, priority: str, severity: Severity):
        body = ALARM.replace("<AlarmPriority>2<", f"<AlarmPriority>{priority}<")
        assert draft_of("gb28181", body).content.severity is severity

    def test_a_serial_used_again_after_a_reboot_is_another_alarm(self):
        later = ALARM.replace("21:14:05", "22:00:00")
        assert draft_of("gb28181", later).content.source_event_id != draft_of("gb28181", ALARM).content.source_event_id

    def test_its_time_has_no_zone(self):
        draft = draft_of("gb28181", ALARM)
        assert draft.content.clock is ClockQuality.ZONE_ASSUMED
        assert str(draft.said_at) == "2026-08-01 13:14:05+00:00"

    def test_nought_nought_is_no_position(self):
        body = ALARM.replace("104.0525", "0.0").replace("30.6476", "0")
        assert draft_of("gb28181", body).content.place.point is None

    @pytest.mark.parametrize("lon", ["NaN", "inf", "east", "1e999"])
    def test_a_longitude_that_is_no_number_is_refused(self, lon: str):
        assert refusal_of("gb28181", ALARM.replace("104.0525", lon)).pointer == "/Notify/Longitude"

    def test_gcj02_is_converted_when_said(self):
        place = draft_of("gb28181", ALARM, crs=CoordinateSystem.GCJ02).content.place
        assert place.original is not None
        assert place.point is not None
        assert 300 < distance_m(place.point, GeoPoint(lon=104.0525, lat=30.6476)) < 800

    @pytest.mark.parametrize("command", ["Catalog", "MobilePosition", "Keepalive", "DeviceInfo"])
    def test_other_commands_are_no_alarm(self, command: str):
        body = f"<Notify><CmdType>{command}</CmdType><SN>1</SN><DeviceID>{CAMERA}</DeviceID></Notify>"
        refusal = refusal_of("gb28181", body)
        assert (refusal.code, refusal.kept) == ("ingest.not_an_alarm", False)

    def test_an_alarm_without_device_is_refused(self):
        assert refusal_of("gb28181", ALARM.replace("DeviceID", "Device")).pointer == "/Notify/DeviceID"
