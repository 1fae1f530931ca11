"""Each format is accepted as what it is."""

from __future__ import annotations

import hashlib
import json

import pytest

from dispatch.ingest.message import Draft, NotUnderstood, Rejected
from domain.event import GeoPoint
from domain.geography import distance_m, wgs84_to_gcj02
from domain.vocabulary import (
    AlertKind,
    AlertPhase,
    ClockQuality,
    CoordinateSystem,
    MessageStatus,
    Severity,
)
from tests.ingest.stage import CAMERA, MAC, draft_of, fixture, parse

FIELD = fixture("hikvision_field_detection.xml")
FLOOD = fixture("cap_flood.xml").decode()
ALARM = fixture("gb28181_alarm.xml").decode()


def refusal_of(adapter: str, body: bytes | str, **delivery: object) -> NotUnderstood:
    with pytest.raises(NotUnderstood) as caught:
        parse(adapter, body, **delivery)
    return caught.value


class TestNative:
    def test_severity_is_said_by_name_or_number(self):
        by_name = draft_of("native", '{"id":"1","kind":"motion","severity":"severe"}')
        by_number = draft_of("native", '{"id":"1","kind":"motion","severity":3}')
        assert by_name.content.severity is by_number.content.severity is Severity.SEVERE
        assert by_name.content.content_sha256 == by_number.content.content_sha256

    def test_gcj02_is_converted_when_said_and_the_original_is_kept(self):
        true = GeoPoint(lon=104.0657, lat=30.6595)
        shifted = wgs84_to_gcj02(true)
        body = {"id": "1", "kind": "motion", "location": {"coordinates": [shifted.lon, shifted.lat]}, "crs": "gcj02"}
        place = draft_of("native", json.dumps(body)).content.place
        assert place.point is not None
        assert distance_m(place.point, true) < 0.01
        assert place.original is not None
        assert (place.original.crs, place.original.x, place.original.y) == ("gcj02", shifted.lon, shifted.lat)

    def test_coordinates_stay_as_they_are_when_nothing_is_said(self):
        body = {"id": "1", "kind": "motion", "location": {"coordinates": [104.0657, 30.6595]}}
        place = draft_of("native", json.dumps(body)).content.place
        assert (place.point, place.original) == (GeoPoint(lon=104.0657, lat=30.6595), None)

    def test_exchanged_coordinates_are_refused_with_a_pointer(self):
        refusal = refusal_of("native", '{"id":"1","kind":"motion","location":{"coordinates":[30.6,104.0]}}')
        assert (refusal.code, refusal.pointer) == ("ingest.out_of_range", "/location/coordinates")

    def test_one_wrong_entry_does_not_take_its_neighbours_with_it(self):
        entries = parse("native", '[{"id":"1","kind":"motion"},{"id":"2","kind":"ufo"},7]').entries
        assert isinstance(entries[0], Draft)
        assert isinstance(entries[1], Rejected)
        assert entries[1].refusal.pointer == "/kind"
        assert json.loads(entries[1].body) == {"id": "2", "kind": "ufo"}
        assert isinstance(entries[2], Rejected)

    def test_ndjson_is_one_alert_a_line(self):
        lines = '{"id":"1","kind":"motion"}\n\n{"id":"2"\n{"id":"3","kind":"motion"}\n'
        parsed = parse("native", lines, content_type="application/x-ndjson")
        assert [type(entry) for entry in parsed.entries] == [Draft, Rejected, Draft]

    @pytest.mark.parametrize("count", [0, 501])
    def test_a_batch_has_limits(self, count: int):
        body = json.dumps([{"id": str(n), "kind": "motion"} for n in range(count)])
        assert refusal_of("native", body).code in {"ingest.malformed", "ingest.too_many"}

    def test_a_field_we_do_not_know_is_refused_rather_than_ignored(self):
        assert refusal_of("native", '{"id":"1","kind":"motion","severty":4}').pointer == "/severty"

    def test_a_time_that_is_none_is_refused(self):
        assert refusal_of("native", '{"id":"1","kind":"motion","occurred_at":"yesterday"}').pointer == "/occurred_at"


def test_digests_of_old_messages_stay_what_they_were():
    """A digest that changes with a release would turn every repeat from before it into a revision."""
    bodies = {
        "native": b'{"id":"1","kind":"motion","severity":"severe","location":{"coordinates":[104.05,30.65]}}',
        "hikvision": FIELD,
        "frigate": fixture("frigate_update.json"),
        "gb28181": fixture("gb28181_alarm.xml"),
        "cap": FLOOD.encode(),
    }
    digests = {adapter: draft_of(adapter, body).content.content_sha256[:16] for adapter, body in bodies.items()}
    assert digests == {
        "native": "3971ce459bf5071b",
        "hikvision": "ca9a75ffa1f38bc7",
        "frigate": "9fb519429c1537a6",
        "gb28181": "2ac7fe29dc1fe77a",
        "cap": "2fabe144e5f6042c",
    }


class TestHikvision:
    def test_a_field_detection_is_an_intrusion_that_starts(self):
        draft = draft_of("hikvision", FIELD)
        content = draft.content
        assert (content.kind, content.vendor_type) == (AlertKind.INTRUSION, "fielddetection")
        assert (content.phase, content.revision) == (AlertPhase.START, "active")
        assert content.text == "fielddetection alarm; target human; region 2; 锦江桥头"
        assert draft.cameras == (f"{MAC}/1", "10.51.7.42/1", MAC, "锦江桥头")
        assert content.clock is ClockQuality.ZONED

    def test_identity_is_device_channel_type_and_time_as_written(self):
        assert draft_of("hikvision", FIELD).content.source_event_id == (
            f"{MAC}/1/fielddetection/2026-08-01T21:14:05+08:00"
        )

    def test_a_retransmission_is_a_repeat(self):
        again = FIELD.replace(b"<isDataRetransmission>false", b"<isDataRetransmission>true")
        assert draft_of("hikvision", again).content == draft_of("hikvision", FIELD).content

    def test_the_namespace_does_not_matter(self):
        bare = FIELD.replace(b' xmlns="http://www.hikvision.com/ver20/XMLSchema"', b"")
        assert draft_of("hikvision", bare).content == draft_of("hikvision", FIELD).content

    def test_duration_takes_the_type_it_relates_to(self):
        content = draft_of("hikvision", fixture("hikvision_duration.xml")).content
        assert (content.kind, content.vendor_type) == (AlertKind.LINE_CROSSING, "linedetection")
        assert content.phase is AlertPhase.UPDATE

    def test_inactive_ends_and_is_another_identity_than_the_start(self):
        end, start = draft_of("hikvision", fixture("hikvision_end.json")), draft_of("hikvision", FIELD)
        assert (end.content.phase, end.content.revision) == (AlertPhase.END, "inactive")
        assert end.content.source_event_id == start.content.source_event_id

    def test_post_count_nought_is_a_start(self):
        body = FIELD.replace(b"<activePostCount>1<", b"<activePostCount>0<")
        assert draft_of("hikvision", body).content.phase is AlertPhase.START

    def test_pictures_are_referred_to_by_hash_and_not_kept(self):
        picture = b"\xff\xd8\xff\xe0 not really a picture \r\n--boundaries inside\r\n"
        body = (
            b'--boundary\r\nContent-Disposition: form-data; name="fielddetection.xml"\r\nContent-Type: application/xml'
            b"\r\nContent-Length: " + str(len(FIELD)).encode() + b"\r\n\r\n" + FIELD + b"\r\n--boundary\r\n"
            b'Content-Disposition: form-data; name="fielddetectionPicture"; filename="fieldDetection.jpg"\r\n'
            b"Content-Type: image/jpeg\r\nContent-Length: " + str(len(picture)).encode() + b"\r\n\r\n" + picture
        )
        for end in (b"\r\n--boundary--\r\n", b"\r\n"):
            content = draft_of("hikvision", body + end, content_type="multipart/form-data; boundary=boundary").content
            (media,) = content.media
            assert media.sha256 == hashlib.sha256(picture).hexdigest()
            assert (media.uri, media.media_type) == ("part:fieldDetection.jpg", "image/jpeg")

    def test_an_alert_stream_holds_several_events(self):
        part = b"\r\n--b\r\nContent-Type: application/xml; charset=UTF-8\r\n\r\n"
        body = part + FIELD + part + fixture("hikvision_duration.xml") + b"\r\n"
        parsed = parse("hikvision", body, content_type='multipart/mixed; boundary="b"')
        assert len(parsed.entries) == 2

    def test_the_keep_alive_is_no_alarm_and_no_error(self):
        body = FIELD.replace(b">fielddetection<", b">videoloss<").replace(b">active<", b">inactive<")
        parsed = parse("hikvision", body)
        assert (parsed.heartbeat, parsed.entries) == (True, ())

    def test_a_lost_picture_is_an_alarm(self):
        body = FIELD.replace(b">fielddetection<", b">videoloss<")
        assert draft_of("hikvision", body).content.kind is AlertKind.VIDEO_LOSS

    def test_an_unknown_type_keeps_the_vendors_word(self):
        content = draft_of("hikvision", FIELD.replace(b">fielddetection<", b">teleportation<")).content
        assert (content.kind, content.vendor_type) == (AlertKind.OTHER, "teleportation")

    def test_a_comparison_of_faces_is_refused_and_not_kept(self):
        refusal = refusal_of("hikvision", FIELD.replace(b">fielddetection<", b">alarmResult<"))
        assert (refusal.code, refusal.kept) == ("ingest.identification", False)

    def test_a_plate_is_dropped(self):
        plate = b"<ANPR><licensePlate>SECRET-1</licensePlate></ANPR></EventNotificationAlert>"
        body = FIELD.replace(b">fielddetection<", b">ANPR<").replace(b"</EventNotificationAlert>", plate)
        content = draft_of("hikvision", body).content
        assert content.kind is AlertKind.VEHICLE
        assert "SECRET" not in content.model_dump_json()

    def test_a_clock_that_cannot_be_read_is_a_missing_one(self):
        draft = draft_of("hikvision", FIELD.replace(b"2026-08-01T21:14:05+08:00", b"1900-01-00T99"))
        assert (draft.said_at, draft.content.clock) == (None, ClockQuality.MISSING)
        assert draft.content.said_time == "1900-01-00T99"

    @pytest.mark.parametrize(
        ("written", "clock"),
        [
            ("2026-8-1T21:14:5+8:00", ClockQuality.ZONED),
            ("2026/08/01 21:14:05+0800", ClockQuality.ZONED),
            ("2026-8-1T13:14:05Z", ClockQuality.ZONED),
            ("2026-8-1 21:14:05", ClockQuality.ZONE_ASSUMED),
        ],
    )
    def test_sloppy_times_mean_what_they_evidently_mean(self, written: str, clock: ClockQuality):
        draft = draft_of("hikvision", FIELD.replace(b"2026-08-01T21:14:05+08:00", written.encode()))
        assert str(draft.said_at) == "2026-08-01 13:14:05+00:00"
        assert (draft.content.clock, draft.content.said_time) == (clock, written)

    def test_a_broken_event_of_a_stream_does_not_take_the_others_with_it(self):
        part = b"\r\n--b\r\nContent-Type: application/xml\r\n\r\n"
        body = part + FIELD + part + b"<EventNotificationAlert><eventType>" + part + FIELD
        entries = parse("hikvision", body, content_type="multipart/mixed; boundary=b").entries
        assert [type(entry) for entry in entries] == [Draft, Rejected, Draft]

    def test_the_address_may_name_the_camera(self):
        draft = draft_of("hikvision", FIELD, camera=CAMERA)
        assert draft.cameras[0] == CAMERA

    def test_another_document_is_refused_by_name(self):
        assert refusal_of("hikvision", "<Notify/>").code == "ingest.wrong_document"


class TestFrigate:
    def test_names_faces_and_plates_are_dropped(self):
        said = draft_of("frigate", fixture("frigate_update.json")).content.model_dump_json()
        assert not any(secret in said for secret in ("Zhang", "川A", "face", "aGFsbG8"))

    def test_an_update_is_known_by_its_frame(self):
        content = draft_of("frigate", fixture("frigate_update.json")).content
        assert (content.source_event_id, content.revision) == ("1785590045.4-abc", "update 1785590047.25")
        assert (content.kind, content.phase, content.confidence) == (AlertKind.VEHICLE, AlertPhase.UPDATE, 0.9375)
        assert content.text == "car in bridge, lane 2"
        assert content.media[0].uri == "frigate:/api/events/1785590045.4-abc/snapshot.jpg"

    def test_the_end_as_pushed_and_as_listed_is_one_identity(self):
        listed = parse("frigate", fixture("frigate_list.json")).entries[0]
        assert isinstance(listed, Draft)
        after = {"id": "1785590045.4-abc", "camera": "cam_00042", "label": "person", "end_time": 1785590060.0}
        pushed = draft_of("frigate", json.dumps({"type": "end", "before": {}, "after": after}))
        assert (listed.content.source_event_id, listed.content.revision, listed.said_at) == (
            pushed.content.source_event_id,
            pushed.content.revision,
            pushed.said_at,
        )

    def test_a_list_holds_each_event_and_refuses_the_wrong_ones_without_their_secrets(self):
        ended, running, wrong = parse("frigate", fixture("frigate_list.json")).entries
        assert isinstance(ended, Draft)
        assert isinstance(running, Draft)
        assert (ended.content.phase, running.content.phase) == (AlertPhase.END, AlertPhase.START)
        assert running.content.kind is AlertKind.SMOKE_FIRE
        assert isinstance(wrong, Rejected)
        assert wrong.refusal.pointer == "/camera"
        assert "川A".encode() not in wrong.body
        assert "plate" not in wrong.body.decode()

    def test_comments_are_not_json(self):
        assert "comment" in refusal_of("frigate", '{"type": "new", // new, update, end\n"after": {}}').detail

    def test_a_description_of_an_event_is_no_alarm(self):
        refusal = refusal_of("frigate", '{"type":"description","id":"1-a","description":"a red car"}')
        assert (refusal.code, refusal.kept) == ("ingest.not_an_alarm", False)

    def test_a_false_positive_is_no_alarm(self):
        event = {"id": "1", "camera": "c", "label": "person", "start_time": 1.0, "false_positive": True}
        assert refusal_of("frigate", json.dumps(event)).code == "ingest.not_an_alarm"


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


class TestCap:
    def test_translations_are_one_alert_in_the_preferred_language(self):
        content = draft_of("cap", FLOOD).content
        warning = content.warning
        assert warning is not None
        assert (warning.language, warning.event, warning.headline) == ("zh-CN", "山洪", "锦江山洪预警")
        assert (content.severity, content.phase, content.status) == (
            Severity.SEVERE,
            AlertPhase.START,
            MessageStatus.ACTUAL,
        )
        assert warning.area_description == "Jinjiang; 锦江区"
        assert len(warning.polygons) == 1
        assert warning.polygons[0][0] == (104.02, 30.62)
        assert warning.circles == ((104.05, 30.65, 2_500.0),)
        assert warning.geocodes == ("GB/T 2260=510104",)
        assert content.place.point == GeoPoint(lon=104.05, lat=30.65)
        assert warning.expires_at is not None

    def test_infos_that_say_something_else_are_alerts_of_their_own(self):
        body = FLOOD.replace("<severity>Severe</severity>", "<severity>Extreme</severity>", 1)
        first, second = parse("cap", body).entries
        assert isinstance(first, Draft)
        assert isinstance(second, Draft)
        assert (first.content.severity, second.content.severity) == (Severity.EXTREME, Severity.SEVERE)
        assert second.content.revision == "2026-08-01T21:00:00+08:00 #2"

    @pytest.mark.parametrize("status", ["Exercise", "System", "Test", "Draft"])
    def test_whatever_is_not_actual_says_so(self, status: str):
        content = draft_of("cap", FLOOD.replace(">Actual<", f">{status}<")).content
        assert content.status is MessageStatus(status.lower())

    def test_an_unknown_status_is_refused_rather_than_guessed(self):
        assert refusal_of("cap", FLOOD.replace(">Actual<", ">Probably<")).pointer == "/alert/status"

    def test_update_and_cancel_carry_what_they_refer_to(self):
        reference = "duty@water.example.cn,CD-FLOOD-2026-0801-6,2026-08-01T20:00:00+08:00"
        for kind, phase in (("Update", AlertPhase.UPDATE), ("Cancel", AlertPhase.END)):
            body = FLOOD.replace(">Alert<", f">{kind}<").replace(
                "<scope>", f"<references>{reference}</references><scope>"
            )
            content = draft_of("cap", body).content
            assert content.phase is phase
            assert content.warning is not None
            assert content.warning.references == (reference,)

    @pytest.mark.parametrize("kind", ["Ack", "Error"])
    def test_an_answer_to_a_warning_is_no_warning(self, kind: str):
        assert refusal_of("cap", FLOOD.replace(">Alert<", f">{kind}<")).code == "ingest.not_an_alarm"

    def test_the_message_may_expire_before_the_hazard_begins(self):
        body = FLOOD.replace("2026-08-02T06:00:00+08:00", "2026-08-01T22:00:00+08:00")
        warning = draft_of("cap", body).content.warning
        assert warning is not None
        assert warning.expires_at is not None
        assert warning.onset_at is not None
        assert warning.expires_at < warning.onset_at

    def test_older_versions_are_read_as_what_they_are(self):
        for space in ("urn:oasis:names:tc:emergency:cap:1.1", "http://www.incident.com/cap/1.0"):
            body = FLOOD.replace("urn:oasis:names:tc:emergency:cap:1.2", space)
            assert draft_of("cap", body).content.kind is AlertKind.PUBLIC_WARNING

    def test_a_namespace_that_is_not_caps_is_refused(self):
        assert refusal_of("cap", FLOOD.replace("cap:1.2", "cap:9.9")).code == "ingest.wrong_document"

    @pytest.mark.parametrize(
        ("root", "hint"),
        [
            ('<feed xmlns="http://www.w3.org/2005/Atom"/>', "Atom index"),
            ('<schema xmlns="http://www.w3.org/2001/XMLSchema"/>', "schema"),
        ],
    )
    def test_an_index_and_a_schema_are_no_warnings(self, root: str, hint: str):
        refusal = refusal_of("cap", root)
        assert refusal.code == "ingest.wrong_document"
        assert hint in refusal.detail

    def test_a_ring_across_the_dateline_has_its_middle_there(self):
        ring = "60,179 60,-179 62,-179 62,179 60,179"
        body = FLOOD.replace("<circle>30.65,104.05 2.5</circle>", "").replace(
            "30.62,104.02 30.62,104.08 30.68,104.08 30.68,104.02 30.62,104.02", ring
        )
        assert draft_of("cap", body).content.place.point == GeoPoint(lon=180, lat=61)

    def test_a_typing_error_in_the_map_does_not_lose_the_warning(self):
        warning = draft_of("cap", FLOOD.replace("30.62,104.02 30.62", "30.62),104.02 30.62", 1)).content.warning
        assert warning is not None
        assert warning.unreadable_areas == 1
        assert len(warning.polygons) == 1

    def test_another_datum_is_refused_as_the_standard_has_one(self):
        assert refusal_of("cap", FLOOD, crs=CoordinateSystem.GCJ02).pointer == "query:crs"

    def test_long_identifiers_that_differ_at_their_end_are_two(self):
        ends = ("a", "b")
        bodies = [FLOOD.replace("CD-FLOOD-2026-0801-7", "urn:oid:" + "1." * 220 + end) for end in ends]
        first, second = (draft_of("cap", body).content.source_event_id for body in bodies)
        assert first != second
        assert len(first) == len(second) == 300

    def test_exchanged_axes_are_refused(self):
        assert refusal_of("cap", FLOOD.replace("30.65,104.05 2.5", "104.05,30.65 2.5")).code == "ingest.out_of_range"
