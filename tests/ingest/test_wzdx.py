"""Road works as their authority publishes them: there, to come, or over by the feed's own time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dispatch.ingest.limits import BATCH_ALERTS_MAX
from dispatch.ingest.message import Draft, Rejected
from domain.event import GeoPoint
from domain.vocabulary import AlertKind, AlertPhase, Severity
from tests.ingest.stage import draft_of, fixture, parse, refusal_of

FEED: dict[str, Any] = json.loads(fixture("wzdx_feed.geojson"))
WORKS: dict[str, Any] = FEED["features"][0]


def feed(*features: Any, **info: Any) -> str:
    return json.dumps(FEED | {"features": features, "feed_info": FEED["feed_info"] | info})


def works(**properties: Any) -> dict[str, Any]:
    return WORKS | {"properties": WORKS["properties"] | properties}


def core(**fields: Any) -> dict[str, Any]:
    return works(core_details=WORKS["properties"]["core_details"] | fields)


def refused(feature: Any) -> tuple[str, str]:
    (entry,) = parse("wzdx", feed(feature)).entries
    assert isinstance(entry, Rejected), entry
    return entry.refusal.code, entry.refusal.pointer


def test_works_that_are_there_are_an_alert():
    draft = draft_of("wzdx", feed(WORKS))
    content = draft.content
    assert (content.kind, content.vendor_type, content.severity) == (
        AlertKind.ROADWORKS,
        "work-zone/some-lanes-closed",
        Severity.UNKNOWN,
    )
    assert (content.source_event_id, content.revision) == ("cd-works-118", "2026-08-01T20:55:00+08:00")
    assert content.place.point == GeoPoint(lon=104.0672, lat=30.6604)
    assert content.place.address == "Shudu Avenue, Ring 1, eastbound"
    assert (content.phase, content.text) == (AlertPhase.START, "Drain repair")
    assert str(draft.said_at) == "2026-08-01 12:55:00+00:00"


def test_a_road_that_is_closed_is_blocked():
    assert draft_of("wzdx", feed(works(vehicle_impact="all-lanes-closed"))).content.kind is AlertKind.ROAD_BLOCKED


def test_what_was_not_updated_is_the_same_message():
    later = draft_of("wzdx", feed(WORKS, update_date="2026-08-01T23:00:00+08:00"))
    assert later.content == draft_of("wzdx", feed(WORKS)).content


def test_what_was_updated_is_an_update():
    content = draft_of("wzdx", feed(core(update_date="2026-08-01T21:10:00+08:00"))).content
    assert (content.phase, content.revision) == (AlertPhase.UPDATE, "2026-08-01T21:10:00+08:00")


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_a_word_ends_it(status: str):
    assert draft_of("wzdx", feed(works(event_status=status))).content.phase is AlertPhase.END


def test_its_time_ends_it_under_the_same_version():
    content = draft_of("wzdx", feed(WORKS, update_date="2026-08-02T05:00:00+08:00")).content
    assert (content.phase, content.revision) == (AlertPhase.END, "2026-08-01T20:55:00+08:00 end")


@pytest.mark.parametrize(
    "change", [{"event_status": "planned"}, {"event_status": "pending"}, {"start_date": "2026-08-01T21:12:01+08:00"}]
)
def test_what_is_planned_is_no_alarm(change: dict[str, str]):
    assert refused(works(**change)) == ("ingest.not_an_alarm", "")


@pytest.mark.parametrize("kind", ["detour", "restriction"])
def test_what_drivers_are_to_do_is_no_alarm(kind: str):
    assert refused(core(event_type=kind)) == ("ingest.not_an_alarm", "")


@pytest.mark.parametrize(
    ("feature", "pointer"),
    [
        (WORKS | {"id": None}, "/id"),
        (WORKS | {"id": True}, "/id"),
        (core(update_date=None, creation_date=None), "/properties/core_details/update_date"),
        (core(update_date="soon"), "/properties/core_details/update_date"),
        (core(update_date=[2026]), "/properties/core_details/update_date"),
        (works(end_date="never"), "/properties/end_date"),
        (WORKS | {"geometry": {"type": "Polygon", "coordinates": []}}, "/geometry/type"),
        (WORKS | {"geometry": {"type": "LineString", "coordinates": []}}, "/geometry/coordinates"),
        (WORKS | {"geometry": {"type": "LineString", "coordinates": [[104.0]]}}, "/geometry/coordinates"),
        (WORKS | {"geometry": {"type": "Point", "coordinates": ["104", "30"]}}, "/geometry/coordinates"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(feature: Any, pointer: str):
    assert refused(feature) == ("ingest.malformed", pointer)


def test_exchanged_axes_are_refused():
    feature = WORKS | {"geometry": {"type": "Point", "coordinates": [30.66, 104.06]}}
    assert refused(feature) == ("ingest.out_of_range", "/geometry/coordinates")


@pytest.mark.parametrize("feature", [{}, None, 7, "works", {"properties": []}, {"properties": {"core_details": {}}}])
def test_what_is_no_road_event_is_another_document(feature: Any):
    assert refused(feature)[0] == "ingest.wrong_document"


def test_each_event_has_a_verdict_of_its_own_and_can_be_tried_again():
    parsed = parse("wzdx", json.dumps(FEED))
    verdicts = [entry.refusal.code if isinstance(entry, Rejected) else "alert" for entry in parsed.entries]
    assert (verdicts, parsed.batch) == (["alert", "ingest.not_an_alarm", "ingest.malformed"], True)
    kept = parsed.entries[2]
    assert isinstance(kept, Rejected)
    alone = json.loads(kept.body)
    assert alone["feed_info"]["update_date"] == FEED["feed_info"]["update_date"]
    alone["features"][0]["properties"]["core_details"]["update_date"] = "2026-08-01T09:00:00+08:00"
    (again,) = parse("wzdx", json.dumps(alone)).entries
    assert isinstance(again, Draft)


def test_the_feeds_older_name_of_itself_is_read():
    body = {"road_event_feed_info" if name == "feed_info" else name: value for name, value in FEED.items()}
    assert len(parse("wzdx", json.dumps(body)).entries) == 3


def test_an_empty_feed_only_says_that_its_server_lives():
    assert parse("wzdx", feed()).heartbeat


@pytest.mark.parametrize(
    "body", [[], {"type": "Feature"}, {"type": "FeatureCollection", "features": []}, {"hello": "world"}]
)
def test_other_geojson_is_another_document(body: Any):
    assert refusal_of("wzdx", json.dumps(body)).code == "ingest.wrong_document"


def test_more_than_a_batch_holds_and_another_datum_are_refused():
    assert refusal_of("wzdx", feed(*[{}] * (BATCH_ALERTS_MAX + 1))).code == "ingest.too_many"
    assert refusal_of("wzdx", feed(WORKS), crs="gcj02").pointer == "query:crs"
