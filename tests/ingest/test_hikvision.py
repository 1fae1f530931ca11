"""A camera that speaks ISAPI is understood."""

from __future__ import annotations

import hashlib

import pytest

from dispatch.ingest.message import Draft, Rejected
from domain.vocabulary import (
    AlertKind,
    AlertPhase,
    ClockQuality,
)
from tests.ingest.stage import CAMERA, MAC, draft_of, fixture, parse, refusal_of

FIELD = fixture("hikvision_field_detection.xml")


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

    def test_an_event_without_a_time_is_refused_and_kept(self):
        refusal = refusal_of("hikvision", FIELD.replace(b"<dateTime>2026-08-01T21:14:05+08:00</dateTime>", b""))
        assert (refusal.code, refusal.pointer, refusal.kept) == ("ingest.malformed", "/dateTime", True)

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
