"""Public warnings in CAP 1.2 are understood."""

from __future__ import annotations

import pytest

from dispatch.ingest.message import Draft
from domain.event import GeoPoint
from domain.vocabulary import (
    AlertKind,
    AlertPhase,
    CoordinateSystem,
    MessageStatus,
    Severity,
)
from tests.ingest.stage import draft_of, fixture, parse, refusal_of

FLOOD = fixture("cap_flood.xml").decode()


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

    def test_several_areas_each_with_rings_and_circles_are_all_kept_each_once(self):
        ring, circle = "30.62,104.02 30.62,104.08 30.68,104.08 30.68,104.02 30.62,104.02", "30.65,104.05 2.5"
        other = "31.0,105.0 31.0,105.1 31.1,105.1 31.0,105.0"
        more = f"<area><areaDesc>x</areaDesc><polygon>{other}</polygon><polygon>{ring}</polygon>"
        more += f"<circle>31,105 1</circle><circle>{circle}</circle></area>"
        warning = draft_of("cap", FLOOD.replace("</info>", f"{more}</info>", 1)).content.warning
        assert warning is not None
        assert [len(one) for one in warning.polygons] == [5, 4]
        assert warning.circles == ((104.05, 30.65, 2_500.0), (105.0, 31.0, 1_000.0))

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
