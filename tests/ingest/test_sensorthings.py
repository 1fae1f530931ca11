"""A river gauge that stands above its threshold is an alert; a quiet one is a reading."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dispatch.ingest.limits import BATCH_ALERTS_MAX
from dispatch.ingest.message import Draft, Rejected
from domain.event import GeoPoint
from domain.vocabulary import AlertKind, AlertPhase, ClockQuality, CoordinateSystem, Severity
from tests.ingest.stage import draft_of, fixture, parse, refusal_of

OBSERVATION = json.loads(fixture("sensorthings_observation.json"))
STREAM = OBSERVATION["Datastream"]
GAUGE = json.loads(fixture("sensorthings_gauge.json"))


def observation(**fields: Any) -> str:
    return json.dumps({**OBSERVATION, **fields})


def of_stream(**fields: Any) -> str:
    return observation(Datastream={**STREAM, **fields})


def gauge(**fields: Any) -> str:
    return json.dumps({**GAUGE, **fields})


class TestObservations:
    def test_a_level_over_alarm_is_severe_and_says_what_it_was_compared_with(self):
        draft = draft_of("sensorthings", observation())
        content = draft.content
        assert (content.kind, content.severity, content.phase) == (
            AlertKind.WATER_LEVEL,
            Severity.SEVERE,
            AlertPhase.SINGLE,
        )
        assert content.vendor_type == "level 4.62 m, said as 462 cm (warn 4 m, alarm 4.6 m)"
        assert content.text == ("JJ-07: water level 4.62 m, said as 462 cm (warn 4 m, alarm 4.6 m), at or above alarm")
        assert content.place.point == GeoPoint(lon=104.05, lat=30.65)
        assert (draft.cameras, content.clock) == (("JJ-07",), ClockQuality.ZONED)
        assert str(draft.said_at) == "2026-08-01 13:10:00+00:00"

    @pytest.mark.parametrize(
        ("result", "severity"),
        [(400, Severity.MODERATE), (459.9, Severity.MODERATE), (460, Severity.SEVERE), (900, Severity.SEVERE)],
    )
    def test_a_threshold_belongs_to_what_it_opens(self, result: float, severity: Severity):
        assert draft_of("sensorthings", observation(result=result)).content.severity is severity

    @pytest.mark.parametrize("result", [399.9, 0, -20])
    def test_below_warn_is_a_reading_and_is_not_kept(self, result: float):
        refusal = refusal_of("sensorthings", observation(result=result))
        assert (refusal.code, refusal.kept) == ("ingest.not_an_alarm", False)

    @pytest.mark.parametrize(
        ("limits", "severity"), [({"warn_m": 4}, Severity.MODERATE), ({"alarm_m": 4.6}, Severity.SEVERE)]
    )
    def test_one_threshold_is_enough(self, limits: dict[str, float], severity: Severity):
        assert draft_of("sensorthings", of_stream(properties=limits)).content.severity is severity

    def test_without_any_threshold_it_is_kept_aside_and_never_taken_for_quiet(self):
        refusal = refusal_of("sensorthings", of_stream(properties={}))
        assert (refusal.code, refusal.kept) == ("ingest.malformed", True)
        assert refusal.pointer == "/Datastream/properties"

    def test_a_datastream_that_is_only_referred_to_needs_them_in_the_parameters(self):
        bare = {name: OBSERVATION[name] for name in ("@iot.id", "phenomenonTime")} | {"result": 4.62}
        for reference in ({"Datastream": {"@iot.id": 7}}, {"Datastream@iot.id": 7}):
            assert refusal_of("sensorthings", json.dumps(bare | reference)).code == "ingest.malformed"
            told = json.dumps(bare | reference | {"parameters": {"warn_m": 4.0}})
            content = draft_of("sensorthings", told).content
            assert content.vendor_type == "level 4.62 m, unit assumed (warn 4 m)"
            assert content.camera_code == "datastream/7"

    def test_the_identity_is_the_servers_number_and_a_corrected_level_is_a_revision_of_it(self):
        first, corrected = (draft_of("sensorthings", observation(result=level)).content for level in (462, 463))
        assert first.source_event_id == corrected.source_event_id == "observation/88012"
        assert first.content_sha256 != corrected.content_sha256

    def test_an_observation_without_a_number_is_known_by_its_datastream_and_time(self):
        new = {name: value for name, value in OBSERVATION.items() if name != "@iot.id"}
        content = draft_of("sensorthings", json.dumps(new)).content
        assert content.source_event_id == "datastream/7/2026-08-01T21:10:00.000+08:00"
        del new["phenomenonTime"]
        assert refusal_of("sensorthings", json.dumps(new)).code == "ingest.malformed"

    @pytest.mark.parametrize(
        ("symbol", "result"), [("m", 4.62), ("cm", 462), ("mm", 4620), ("dm", 46.2), ("ft", 15.16), ("米", 4.62)]
    )
    def test_a_level_is_compared_in_metres(self, symbol: str, result: float):
        body = observation(result=result, Datastream={**STREAM, "unitOfMeasurement": {"symbol": symbol}})
        content = draft_of("sensorthings", body).content
        assert content.severity is Severity.SEVERE
        assert (content.vendor_type or "").startswith("level 4.62")

    def test_an_unknown_unit_is_refused_if_it_has_thresholds_and_no_level_if_it_has_none(self):
        fathom = {"name": "fathom", "symbol": "fth"}
        assert refusal_of("sensorthings", of_stream(unitOfMeasurement=fathom)).code == "ingest.malformed"
        warmth = of_stream(unitOfMeasurement={"symbol": "°C"}, properties={})
        assert refusal_of("sensorthings", warmth).code == "ingest.not_an_alarm"

    @pytest.mark.parametrize("result", [None, True, "4.62", [4.62], {}, 1e9, -1e9, int("9" * 4_000)])
    def test_a_result_that_is_no_level_is_refused(self, result: object):
        refusal = refusal_of("sensorthings", observation(result=result))
        assert (refusal.code, refusal.pointer) == ("ingest.malformed", "/result")

    @pytest.mark.parametrize("limits", [{"warn_m": 5, "alarm_m": 4}, {"warn_m": "4"}, {"alarm_m": True}])
    def test_thresholds_that_say_nothing_are_refused(self, limits: dict[str, object]):
        assert refusal_of("sensorthings", of_stream(properties=limits)).code == "ingest.malformed"

    def test_exchanged_axes_are_refused_with_a_pointer(self):
        feature = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [30.65, 104.05]}}
        body = of_stream(Thing={"@iot.id": 3, "Locations": [{"location": feature}]})
        assert refusal_of("sensorthings", body).code == "ingest.out_of_range"

    def test_the_feature_of_interest_stands_in_for_a_thing_without_a_place(self):
        feature = {"feature": {"type": "Point", "coordinates": [104.06, 30.66]}}
        body = observation(FeatureOfInterest=feature, Datastream={**STREAM, "Thing": {"@iot.id": 3}})
        draft = draft_of("sensorthings", body)
        assert draft.content.place.point == GeoPoint(lon=104.06, lat=30.66)
        assert draft.cameras == ("thing/3",)


class TestPages:
    def test_a_datastream_with_its_observations_judges_each_of_them(self):
        parsed = parse("sensorthings", fixture("sensorthings_datastream.json"))
        quiet, high, broken = parsed.entries
        assert parsed.batch
        assert isinstance(quiet, Rejected)
        assert (quiet.refusal.code, quiet.refusal.kept) == ("ingest.not_an_alarm", False)
        assert isinstance(high, Draft)
        assert (high.content.severity, str(high.said_at)) == (Severity.MODERATE, "2026-08-01 13:00:00+00:00")
        assert isinstance(broken, Rejected)
        mended = broken.body.replace(b'"4.62"', b"4.62")
        assert draft_of("sensorthings", mended).content.severity is Severity.SEVERE

    def test_a_page_is_a_list_of_observations(self):
        page = json.dumps({"@iot.nextLink": "https://gauges.example.cn/next", "value": [OBSERVATION, GAUGE, 7]})
        entries = parse("sensorthings", page).entries
        assert [type(entry) for entry in entries] == [Draft, Draft, Rejected]

    def test_an_empty_page_only_says_that_the_server_lives(self):
        assert parse("sensorthings", '{"value": []}').heartbeat

    def test_more_than_a_batch_is_refused_whole(self):
        page = json.dumps([GAUGE] * (BATCH_ALERTS_MAX + 1))
        assert refusal_of("sensorthings", page).code == "ingest.too_many"

    def test_a_datastream_is_not_repeated_without_measure(self):
        body = json.dumps({"properties": {"note": "x" * 9_000}, "Observations": [{"result": 1}] * 500})
        assert refusal_of("sensorthings", body).code == "ingest.too_many"


class TestOurOwnWords:
    def test_a_reading_in_our_own_words(self):
        draft = draft_of("sensorthings", gauge())
        content = draft.content
        assert (content.kind, content.severity) == (AlertKind.WATER_LEVEL, Severity.MODERATE)
        assert content.source_event_id == "JJ-07/2026-08-01T21:10:00+08:00"
        assert content.text == "锦江桥水位站: water level 4.1 m (warn 4 m, alarm 4.6 m), at or above warn"
        assert draft.cameras == ("JJ-07",)

    def test_a_place_in_gcj02_is_moved_and_the_original_kept(self):
        place = draft_of("sensorthings", gauge(), crs=CoordinateSystem.GCJ02).content.place
        assert place.original is not None
        assert place.point != GeoPoint(lon=104.05, lat=30.65)

    def test_a_reading_without_a_time_has_no_identity(self):
        untimed = json.dumps({name: value for name, value in GAUGE.items() if name != "measured_at"})
        assert refusal_of("sensorthings", untimed).pointer == "/measured_at"

    def test_a_lost_clock_is_kept_as_written_and_the_receipt_counts(self):
        content = draft_of("sensorthings", gauge(measured_at="1900-01-01T00:00:00+08:00")).content
        assert (content.clock, content.said_time) == (ClockQuality.MISSING, "1900-01-01T00:00:00+08:00")

    @pytest.mark.parametrize(
        "wrong", [{"level_m": "4.1"}, {"depth": 1}, {"gauge": ""}, {"level_m": 99_999}, {"measured_at": "soon"}]
    )
    def test_what_is_wrong_is_named(self, wrong: dict[str, object]):
        refusal = refusal_of("sensorthings", gauge(**wrong))
        assert (refusal.code, refusal.pointer) == ("ingest.malformed", f"/{next(iter(wrong))}")

    def test_another_document_is_refused_by_name(self):
        assert refusal_of("sensorthings", '{"items": []}').code == "ingest.wrong_document"
