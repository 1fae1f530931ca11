"""A camera that speaks ONVIF's events, or Axis' own topics, is understood."""

from __future__ import annotations

import pytest

from dispatch.ingest.identifying import masked
from dispatch.ingest.limits import BATCH_ALERTS_MAX
from dispatch.ingest.message import Draft, Rejected
from domain.vocabulary import AlertKind, AlertPhase, ClockQuality
from tests.ingest.stage import CAMERA, draft_of, fixture, parse, refusal_of

NOTIFY = fixture("onvif_notify.xml").decode()
AXIS = fixture("onvif_axis_stream.xml").decode()
TOPIC, PRODUCER = "tns1:RuleEngine/FieldDetector/ObjectsInside", "5f0c1d8e-aaaa-4c1e-9d51-0251010000aa"


def bare(topic: str, message: str, inner: str = "") -> str:
    """One notification without any prefix."""
    return (
        f"<NotificationMessage><Topic>{topic}</Topic><Message><Message {message}>{inner}</Message></Message>"
        "</NotificationMessage>"
    )


def with_state(name: str, value: str, operation: str) -> str:
    inner = f'<Data><SimpleItem Name="{name}" Value="{value}"/></Data>'
    return bare(TOPIC, f'UtcTime="2026-08-01T13:14:05Z" PropertyOperation="{operation}"', inner)


class TestOnvif:
    def test_an_object_inside_a_field_is_an_intrusion_that_starts(self):
        draft = draft_of("onvif", NOTIFY)
        content = draft.content
        assert (content.kind, content.vendor_type) == (AlertKind.INTRUSION, "RuleEngine/FieldDetector/ObjectsInside")
        assert (content.phase, content.revision) == (AlertPhase.START, "changed")
        assert content.text == "rule 锦江桥头; object 15"
        assert draft.cameras == (f"{PRODUCER}/vsc_1", PRODUCER, "vsc_1")
        assert (content.clock, str(draft.said_at)) == (ClockQuality.ZONED, "2026-08-01 13:14:05.250000+00:00")

    def test_identity_is_producer_topic_source_key_and_time_as_written(self):
        assert draft_of("onvif", NOTIFY).content.source_event_id == (
            f"{PRODUCER}/RuleEngine/FieldDetector/ObjectsInside/ObjectId=15/Rule=锦江桥头/"
            "VideoAnalyticsConfigurationToken=vac_1/VideoSourceConfigurationToken=vsc_1/2026-08-01T13:14:05.250Z"
        )

    def test_the_prefix_does_not_matter(self):
        other = NOTIFY.replace("tns1:RuleEngine", "onv:RuleEngine")
        assert draft_of("onvif", other).content == draft_of("onvif", NOTIFY).content

    def test_two_cameras_without_a_producer_are_told_apart_by_the_address(self):
        body = bare(TOPIC, 'UtcTime="2026-08-01T13:14:05Z"')
        first, second = (draft_of("onvif", body, camera=code) for code in (CAMERA, "b"))
        assert first.content.source_event_id != second.content.source_event_id

    @pytest.mark.parametrize(
        ("name", "value", "operation", "phase"),
        [
            ("IsInside", "true", "Changed", AlertPhase.START),
            ("IsInside", "false", "Changed", AlertPhase.END),
            ("state", "1", "Changed", AlertPhase.START),
            ("state", "0", "Changed", AlertPhase.END),
            ("state", "1", "Initialized", AlertPhase.UPDATE),
            ("state", "1", "Deleted", AlertPhase.END),
            ("OfAVendor", "true", "Changed", AlertPhase.START),
            ("Count", "1", "Changed", AlertPhase.SINGLE),
        ],
    )
    def test_operation_and_state_are_the_phase(self, name: str, value: str, operation: str, phase: AlertPhase):
        assert draft_of("onvif", with_state(name, value, operation)).content.phase is phase

    @pytest.mark.parametrize(("name", "value"), [("state", "0"), ("IsInside", "false"), ("Count", "0")])
    def test_how_things_stood_at_the_subscription_is_no_alarm(self, name: str, value: str):
        refusal = refusal_of("onvif", with_state(name, value, "Initialized"))
        assert (refusal.code, refusal.kept) == ("ingest.not_an_alarm", False)

    def test_a_pulled_answer_judges_each_of_its_messages(self):
        calm, crossed, plate = parse("onvif", fixture("onvif_pull.xml")).entries
        assert isinstance(calm, Rejected)
        assert isinstance(crossed, Draft)
        assert isinstance(plate, Rejected)
        assert calm.refusal.code == "ingest.not_an_alarm"
        assert (crossed.content.kind, crossed.content.phase) == (AlertKind.LINE_CROSSING, AlertPhase.SINGLE)
        assert (plate.refusal.code, plate.refusal.kept) == ("ingest.malformed", True)
        assert b"SECRET" not in masked(plate.body)
        again = refusal_of("onvif", masked(plate.body))
        assert again.detail == plate.refusal.detail

    def test_a_plate_is_dropped(self):
        inner = '<Data><SimpleItem Name="LicensePlate" Value="SECRET-1"/></Data>'
        content = draft_of(
            "onvif", bare("tns1:RuleEngine/Recognition/LicensePlate", 'UtcTime="2026-08-01T13:14:05Z"', inner)
        ).content
        assert content.kind is AlertKind.VEHICLE
        assert "SECRET" not in content.model_dump_json()

    @pytest.mark.parametrize(
        "topic",
        [
            "tns1:RuleEngine/Recognition/Face",
            "tns1:RuleEngine/MyRuleDetector/FaceDetect",
            "acme:VideoAnalytics/OurFaceRecognition",
            "tns1:AccessControl/AccessGranted/Credential",
        ],
    )
    def test_faces_and_credentials_are_refused_and_not_kept(self, topic: str):
        refusal = refusal_of("onvif", NOTIFY.replace(TOPIC, topic))
        assert (refusal.code, refusal.kept) == ("ingest.identification", False)

    def test_duress_at_a_door_is_a_panic_button_and_names_nobody(self):
        inner = '<Data><SimpleItem Name="CredentialHolderName" Value="SECRET-1"/></Data>'
        content = draft_of("onvif", bare("tns1:AccessControl/Duress", 'UtcTime="2026-08-01T13:14:05Z"', inner)).content
        assert content.kind is AlertKind.PANIC_BUTTON
        assert "SECRET" not in content.model_dump_json()

    def test_an_interface_is_no_face(self):
        assert draft_of("onvif", NOTIFY.replace(TOPIC, "tns1:Device/NetworkInterface")).content.kind is AlertKind.OTHER

    def test_housekeeping_is_no_alarm(self):
        assert (
            refusal_of("onvif", NOTIFY.replace(TOPIC, "tns1:Monitoring/ProcessorUsage")).code == "ingest.not_an_alarm"
        )

    def test_an_unknown_topic_keeps_the_vendors_word(self):
        content = draft_of("onvif", NOTIFY.replace(TOPIC, "acme:Teleportation/Arrived")).content
        assert (content.kind, content.vendor_type) == (AlertKind.OTHER, "Teleportation/Arrived")

    def test_an_event_without_a_time_would_be_the_same_for_ever_and_is_refused(self):
        assert refusal_of("onvif", bare(TOPIC, "")).code == "ingest.malformed"

    def test_a_time_without_offset_is_utc_and_marked(self):
        draft = draft_of("onvif", bare(TOPIC, 'UtcTime="2026-08-01T13:14:05"'))
        assert (draft.content.clock, str(draft.said_at)) == (ClockQuality.ZONE_ASSUMED, "2026-08-01 13:14:05+00:00")

    @pytest.mark.parametrize(
        "body",
        ["<NotificationMessage/>", f"<NotificationMessage><Topic>{TOPIC}</Topic><Message/></NotificationMessage>"],
    )
    def test_what_is_missing_is_refused(self, body: str):
        assert refusal_of("onvif", body).code == "ingest.malformed"

    def test_an_answer_in_which_nothing_happened_is_a_keep_alive(self):
        assert parse("onvif", "<Envelope><Body><PullMessagesResponse/></Body></Envelope>").heartbeat
        assert parse("onvif", "<MetadataStream/>").heartbeat

    @pytest.mark.parametrize("body", ["<Notify2/>", "<Envelope><Body><Fault/></Body></Envelope>", "<Envelope/>"])
    def test_another_document_is_refused_by_name(self, body: str):
        assert refusal_of("onvif", body).code == "ingest.wrong_document"

    def test_more_than_a_batch_is_refused_whole(self):
        body = "<Notify>" + "<NotificationMessage/>" * (BATCH_ALERTS_MAX + 1) + "</Notify>"
        assert refusal_of("onvif", body).code == "ingest.too_many"


class TestAxis:
    def test_a_guarded_fence_that_is_quiet_again_ends(self):
        draft = draft_of("onvif", AXIS)
        content = draft.content
        assert (content.kind, content.phase) == (AlertKind.LINE_CROSSING, AlertPhase.END)
        assert content.vendor_type == "CameraApplicationPlatform/FenceGuard/Camera1Profile1"
        assert draft.cameras == ("7a1b6c2d-bbbb-4c1e-9d51-0251010000bb",)

    @pytest.mark.parametrize(
        ("topic", "kind"),
        [
            ("tnsaxis:CameraApplicationPlatform/VMD/Camera1ProfileANY", AlertKind.MOTION),
            ("tnsaxis:CameraApplicationPlatform/LoiteringGuard/Camera1Profile1", AlertKind.LOITERING),
            ("tnsaxis:CameraApplicationPlatform/ObjectAnalytics/Device1Scenario1", AlertKind.OTHER),
            ("tns1:Device/tnsaxis:Sensor/PIR", AlertKind.MOTION),
            ("tns1:Device/tnsaxis:IO/Port", AlertKind.IO_ALARM),
            ("tns1:VideoSource/tnsaxis:Tampering", AlertKind.TAMPER),
        ],
    )
    def test_its_topics_are_known_behind_any_prefix(self, topic: str, kind: AlertKind):
        body = AXIS.replace("tnsaxis:CameraApplicationPlatform/FenceGuard/Camera1Profile1", topic)
        assert draft_of("onvif", body).content.kind is kind
