"""Our own format is accepted as what it is."""

from __future__ import annotations

import json

import pytest

from dispatch.ingest.message import Draft, Rejected
from domain.event import GeoPoint
from domain.geography import distance_m, wgs84_to_gcj02
from domain.vocabulary import (
    Severity,
)
from tests.ingest.stage import draft_of, parse, refusal_of


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
