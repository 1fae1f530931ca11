"""A camera that speaks Dahua's event stream is understood."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from dispatch.ingest.identifying import masked
from dispatch.ingest.limits import BATCH_ALERTS_MAX
from dispatch.ingest.message import Draft, Rejected
from domain.vocabulary import AlertKind, AlertPhase, ClockQuality
from tests.ingest.stage import CAMERA, draft_of, fixture, parse, refusal_of

LINE = fixture("dahua_crossline.txt")
EVENT = {"Code": "CrossRegionDetection", "Action": "Start", "Index": 0, "Data": {"LocaleTime": "2026-08-01 21:14:05"}}


def event(**fields: Any) -> str:
    return json.dumps({**EVENT, **fields})


class TestLines:
    def test_a_crossed_line_starts_in_the_citys_zone(self):
        draft = draft_of("dahua", LINE, camera=CAMERA)
        content = draft.content
        assert (content.kind, content.vendor_type) == (AlertKind.LINE_CROSSING, "CrossLineDetection")
        assert (content.phase, content.revision) == (AlertPhase.START, "start")
        assert content.text == "桥头警戒线; target Human; direction RightToLeft"
        assert (content.clock, content.said_time) == (ClockQuality.ZONE_ASSUMED, "2026-08-01 21:14:05")
        assert str(draft.said_at) == "2026-08-01 13:14:05+00:00"
        assert draft.cameras == (CAMERA, "channel/1")

    def test_identity_is_camera_index_code_time_and_number(self):
        content = draft_of("dahua", LINE, camera=CAMERA).content
        assert content.source_event_id == f"{CAMERA}/0/CrossLineDetection/2026-08-01 21:14:05/10234/ms702"

    def test_two_cameras_behind_one_gateway_are_two(self):
        first, second = (draft_of("dahua", LINE, camera=code).content.source_event_id for code in ("a", "b"))
        assert first != second

    def test_a_plate_is_dropped(self):
        assert "川A" not in draft_of("dahua", LINE).content.model_dump_json()

    def test_names_in_gbk_are_read(self):
        content = draft_of("dahua", LINE.decode().encode("gbk")).content
        assert content == draft_of("dahua", LINE).content

    def test_real_utc_goes_before_all_others(self):
        body = LINE.replace(b'"UTCMS"', b'"RealUTC" : 1785590045, "UTCMS"')
        draft = draft_of("dahua", body)
        assert (draft.content.clock, str(draft.said_at)) == (ClockQuality.ZONED, "2026-08-01 13:14:05+00:00")

    def test_motion_without_any_time_would_be_the_same_for_ever_and_is_refused(self):
        body = 'Code=VideoMotion;action=Start;index=0;data={ "Id" : [ 0 ], "RegionName" : [ "Region1" ] }'
        refusal = refusal_of("dahua", body)
        assert (refusal.code, refusal.pointer, refusal.kept) == ("ingest.malformed", "/Time", True)

    def test_several_lines_are_several_events(self):
        entries = parse("dahua", LINE + b"\r\n\r\n" + LINE.replace(b"Start", b"Stop")).entries
        assert [entry.content.phase for entry in entries if isinstance(entry, Draft)] == [
            AlertPhase.START,
            AlertPhase.END,
        ]

    @pytest.mark.parametrize(
        "body",
        [
            "Code=;action=Start;index=0",
            "Code=X;action=Start",
            "Code=X;action=Start;index=-1",
            "Code=X;action=Go;index=0",
        ],
    )
    def test_a_broken_line_is_refused(self, body: str):
        assert refusal_of("dahua", body).code == "ingest.malformed"

    def test_data_that_is_no_json_is_refused(self):
        assert refusal_of("dahua", "Code=X;action=Start;index=0;data={a").code == "ingest.malformed"


class TestStreams:
    def test_a_stream_is_read_part_by_part(self):
        body = fixture("dahua_stream.txt")
        parsed = parse("dahua", body, content_type="multipart/x-mixed-replace; boundary=myboundary")
        start, motion, stop = parsed.entries
        assert isinstance(start, Draft)
        assert isinstance(stop, Draft)
        assert (start.content.kind, start.content.phase) == (AlertKind.TAMPER, AlertPhase.START)
        assert stop.content.phase is AlertPhase.END
        assert isinstance(motion, Rejected)
        assert motion.body == b"Code=VideoMotion;action=Start;index=2"

    def test_a_broken_part_does_not_take_the_others_with_it(self):
        part = b"\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
        entries = parse("dahua", part + LINE + part + b'{"Code":' + part + LINE).entries
        assert [type(entry) for entry in entries] == [Draft, Rejected, Draft]

    def test_the_keep_alive_is_no_alarm_and_no_error(self):
        assert parse("dahua", "Heartbeat").heartbeat
        assert parse("dahua", "--b\r\nContent-Type: text/plain\r\n\r\nHeartbeat\r\n--b--\r\n").heartbeat

    def test_pictures_are_referred_to_by_hash_and_not_kept(self):
        picture = b"\xff\xd8\xff\xe0 not really a picture"
        head = b"--b\r\nContent-Type: text/plain\r\n\r\n" + fixture("dahua_fire.txt")
        body = head + b"\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n" + picture + b"\r\n--b--\r\n"
        (media,) = draft_of("dahua", body).content.media
        assert (media.uri, media.sha256) == ("part:0", hashlib.sha256(picture).hexdigest())
        alone = b"--b\r\nContent-Type: image/jpeg\r\n\r\n" + picture + b"\r\n--b--\r\n"
        assert refusal_of("dahua", alone).code == "ingest.wrong_document"

    def test_lines_of_names_and_values_are_one_event_each(self):
        draft = draft_of("dahua", fixture("dahua_fire.txt"))
        assert (draft.content.kind, draft.content.text) == (AlertKind.SMOKE_FIRE, "Warehouse")
        assert draft.content.source_event_id == "/1/FireDetection/1785590045/5864/ms123"
        assert draft.cameras == ("channel/2",)
        assert "SECRET" not in draft.content.model_dump_json()


class TestJson:
    def test_a_list_of_the_stream_in_json(self):
        person, car = parse("dahua", fixture("dahua_list.json")).entries
        assert isinstance(person, Draft)
        assert isinstance(car, Draft)
        assert (person.content.kind, person.content.text) == (AlertKind.PERSON, "region Gate")
        assert (car.content.kind, car.content.phase) == (AlertKind.VEHICLE, AlertPhase.SINGLE)
        assert "SECRET" not in car.content.model_dump_json()

    def test_the_reader_of_the_stream_may_add_the_time(self):
        draft = draft_of("dahua", event(Code="VideoMotion", Data={"Id": [0]}, Time="2026-08-01T21:14:05+08:00"))
        assert (draft.content.kind, draft.content.clock) == (AlertKind.MOTION, ClockQuality.ZONED)

    def test_a_clock_in_local_seconds_is_kept_as_said(self):
        draft = draft_of("dahua", event(Data={"UTC": 1785618845}))
        assert str(draft.said_at) == "2026-08-01 21:14:05+00:00"

    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            ("VideoLoss", AlertKind.VIDEO_LOSS),
            ("videoblind", AlertKind.TAMPER),
            ("AlarmLocal", AlertKind.IO_ALARM),
            ("SmartMotionVehicle", AlertKind.VEHICLE),
            ("FlowBusiness", AlertKind.ILLEGAL_STALL),
            ("Teleportation", AlertKind.OTHER),
        ],
    )
    def test_the_vendors_word_stands_beside_ours(self, code: str, kind: AlertKind):
        content = draft_of("dahua", event(Code=code)).content
        assert (content.kind, content.vendor_type) == (kind, code)

    @pytest.mark.parametrize("code", ["FaceDetection", "FaceRecognition", "FACECOMPARISION", "AccessControl"])
    def test_faces_and_cards_are_refused_and_not_kept(self, code: str):
        refusal = refusal_of("dahua", event(Code=code))
        assert (refusal.code, refusal.kept) == ("ingest.identification", False)

    def test_housekeeping_is_no_alarm(self):
        assert refusal_of("dahua", event(Code="NTPAdjustTime")).code == "ingest.not_an_alarm"

    @pytest.mark.parametrize("wrong", [{"Code": None}, {"Code": [1]}, {"Action": "State"}, {"Data": None}])
    def test_what_is_missing_is_refused(self, wrong: dict[str, object]):
        assert refusal_of("dahua", event(**wrong)).code == "ingest.malformed"

    def test_more_than_a_batch_is_refused_whole(self):
        assert refusal_of("dahua", json.dumps([EVENT] * (BATCH_ALERTS_MAX + 1))).code == "ingest.too_many"

    def test_another_document_is_refused_by_name(self):
        assert refusal_of("dahua", "<Notify/>").code == "ingest.wrong_document"


@pytest.mark.parametrize("name", ["dahua_crossline.txt", "dahua_fire.txt", "dahua_list.json"])
def test_what_is_kept_aside_has_no_plate_in_it(name: str):
    kept = masked(fixture(name)).decode()
    assert "SECRET" not in kept
    assert "川A" not in kept
    assert "Code" in kept
