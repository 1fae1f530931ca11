"""A situation on a road is one alert: what happened, where, since when, and when it is over."""

from __future__ import annotations

import re

import pytest

from dispatch.ingest.limits import BATCH_ALERTS_MAX
from dispatch.ingest.message import Draft, Entry, Rejected
from domain.event import GeoPoint
from domain.vocabulary import AlertKind, AlertPhase, MessageStatus, Severity
from tests.ingest.stage import Stage, draft_of, fixture, parse, refusal_of

FEED = fixture("datex2_publication.xml").decode()
VERSION_2 = fixture("datex2_version2.xml").decode()
ACCIDENT = re.sub(r'<sit:situation id="CD-00.*</mc:payload>', "</mc:payload>", FEED, flags=re.DOTALL)
"""The feed with its first situation alone."""
WORKS = re.sub(r'<sit:situation id="CD-01.*?</sit:situation>', "", FEED, flags=re.DOTALL)
"""And with its second alone, which is planned."""
NOW = "2026-08-01T21:16:00+08:00"


def entry_of(body: str) -> Entry:
    (entry,) = parse("datex2", body).entries
    return entry


def refused(body: str) -> tuple[str, str]:
    """Code and pointer of the one situation's refusal."""
    entry = entry_of(body)
    assert isinstance(entry, Rejected), entry
    return entry.refusal.code, entry.refusal.pointer


class TestOneSituation:
    def test_an_accident_is_told_once_however_many_records_it_has(self):
        draft = draft_of("datex2", ACCIDENT)
        content = draft.content
        assert (content.kind, content.vendor_type) == (AlertKind.ACCIDENT, "Accident/multipleVehicleAccident")
        assert (content.severity, content.status, content.phase) == (
            Severity.SEVERE,
            MessageStatus.ACTUAL,
            AlertPhase.START,
        )
        assert (content.place.point, content.place.address) == (GeoPoint(lon=104.0802, lat=30.6575), "蜀都大道")
        assert content.text == "蜀都大道红星路口 三车追尾"
        assert str(draft.said_at) == "2026-08-01 13:15:30+00:00"

    def test_its_identity_is_its_id_and_version(self):
        first = draft_of("datex2", ACCIDENT).content
        assert (first.source_event_id, first.revision) == ("CD-0118", "2026-08-01T21:15:30+08:00")
        later = draft_of("datex2", ACCIDENT.replace("21:15:30", "21:30:00").replace('version="1"', 'version="2"'))
        assert (later.content.source_event_id, later.content.revision) == ("CD-0118", "2026-08-01T21:30:00+08:00")

    def test_a_later_publication_of_the_same_version_says_nothing_new(self):
        again = ACCIDENT.replace(NOW, "2026-08-01T21:17:00+08:00")
        assert draft_of("datex2", again).content == draft_of("datex2", ACCIDENT).content

    def test_a_version_that_is_not_the_first_is_an_update(self):
        later = ACCIDENT.replace('version="1"', 'version="4"')
        later = re.sub(r"(CreationTime>)2026-08-01T21:15", r"\g<1>2026-08-01T21:14", later)
        assert draft_of("datex2", later).content.phase is AlertPhase.UPDATE

    def test_of_a_line_the_corner_in_its_middle_is_the_point(self):
        line_only = re.sub(r"<loc:pointByCoordinates>.*?</loc:pointByCoordinates>", "", ACCIDENT, flags=re.DOTALL)
        assert draft_of("datex2", line_only).content.place.point == GeoPoint(lon=104.0801, lat=30.6574)

    @pytest.mark.parametrize(
        "line", ["30.6 104.0 x 104.1", "30.6 104.0 30.7", "nan 104.0 30.6 104.1", ""], ids=["words", "odd", "nan", "no"]
    )
    def test_a_line_that_cannot_be_read_loses_the_map_and_not_the_alert(self, line: str):
        broken = re.sub(r"<loc:pointByCoordinates>.*?</loc:pointByCoordinates>", "", ACCIDENT, flags=re.DOTALL)
        broken = re.sub(r"(<loc:posList>)[^<]*", rf"\g<1>{line}", broken)
        assert draft_of("datex2", broken).content.place.point is None

    def test_a_line_in_another_datum_is_not_guessed_at(self):
        broken = re.sub(r"<loc:pointByCoordinates>.*?</loc:pointByCoordinates>", "", ACCIDENT, flags=re.DOTALL)
        assert draft_of("datex2", broken.replace("WGS 84", "EPSG:28992")).content.place.point is None

    def test_exchanged_axes_are_refused(self):
        wrong = ACCIDENT.replace("<loc:latitude>30.6575", "<loc:latitude>104.0802")
        assert refused(wrong) == ("ingest.out_of_range", "/situation/situationRecord/location")

    @pytest.mark.parametrize(
        ("said", "status"),
        [
            ("test", MessageStatus.TEST),
            ("technicalExercise", MessageStatus.EXERCISE),
            ("securityExercise", MessageStatus.EXERCISE),
        ],
    )
    def test_what_is_not_real_is_recorded_as_what_it_is(self, said: str, status: MessageStatus):
        assert draft_of("datex2", ACCIDENT.replace(">real<", f">{said}<")).content.status is status

    def test_without_any_version_a_change_could_not_be_told_from_a_repeat(self):
        bare = re.sub(r"<sit:situation(Record)?VersionTime>[^<]*</sit:situation(Record)?VersionTime>", "", ACCIDENT)
        assert refused(bare) == ("ingest.malformed", "/situation/situationVersionTime")

    @pytest.mark.parametrize("name", ["situationVersionTime", "overallStartTime"])
    def test_a_time_that_is_none_is_refused_with_its_place(self, name: str):
        wrong = re.sub(rf"(:{name}>)[^<]*", r"\g<1>yesterday", ACCIDENT)
        assert refused(wrong) == ("ingest.malformed", f"/situation//{name}")

    def test_a_time_without_offset_is_the_citys(self):
        bare = ACCIDENT.replace("+08:00", "")
        assert str(draft_of("datex2", bare).said_at) == "2026-08-01 13:15:30+00:00"


class TestKinds:
    @pytest.mark.parametrize(
        ("klass", "field", "said", "kind"),
        [
            ("AbnormalTraffic", "abnormalTrafficType", "queuingTraffic", AlertKind.CONGESTION),
            ("VehicleObstruction", "vehicleObstructionType", "brokenDownVehicle", AlertKind.ROAD_BLOCKED),
            ("EnvironmentalObstruction", "environmentalObstructionType", "flashFloods", AlertKind.WATERLOGGING),
            ("EnvironmentalObstruction", "environmentalObstructionType", "mudSlide", AlertKind.LANDSLIDE),
            ("EnvironmentalObstruction", "environmentalObstructionType", "fallenTrees", AlertKind.ROAD_BLOCKED),
            ("EquipmentOrSystemFault", "faultyEquipmentOrSystemType", "trafficSignals", AlertKind.SIGNAL_FAILURE),
            ("EquipmentOrSystemFault", "faultyEquipmentOrSystemType", "tunnelLights", AlertKind.FACILITY_DAMAGE),
            ("ConstructionWorks", "constructionWorkType", "constructionWork", AlertKind.ROADWORKS),
            ("WeatherRelatedRoadConditions", "weatherRelatedRoadConditionType", "blackIce", AlertKind.OTHER),
        ],
    )
    def test_a_class_and_its_own_word_say_what_it_is(self, klass: str, field: str, said: str, kind: AlertKind):
        body = ACCIDENT.replace("sit:Accident", f"sit:{klass}").replace("accidentType", field)
        assert draft_of("datex2", body.replace("multipleVehicleAccident", said)).content.kind is kind

    @pytest.mark.parametrize(
        ("cause", "measure", "kind"),
        [
            ("accident", "laneClosures", AlertKind.ACCIDENT),
            ("roadMaintenance", "laneClosures", AlertKind.ROADWORKS),
            ("roadMaintenance", "roadClosed", AlertKind.ROAD_BLOCKED),
            ("publicEvent", "roadClosed", AlertKind.ROAD_BLOCKED),
        ],
    )
    def test_a_measure_alone_is_an_alarm_by_its_cause(self, cause: str, measure: str, kind: AlertKind):
        measures = re.sub(
            r'<sit:situationRecord xsi:type="sit:Accident".*?</sit:situationRecord>', "", ACCIDENT, flags=re.DOTALL
        )
        body = measures.replace(">accident<", f">{cause}<").replace(">laneClosures<", f">{measure}<")
        content = draft_of("datex2", body).content
        assert content.kind is kind
        assert content.vendor_type == f"RoadOrCarriagewayOrLaneManagement/{measure}/{cause}"

    def test_a_measure_without_a_cause_that_is_known_is_no_alarm(self):
        body = ACCIDENT.replace("sit:Accident", "sit:SpeedManagement").replace(">accident<", ">publicEvent<")
        assert refused(body) == ("ingest.not_an_alarm", "")


class TestEnds:
    def test_what_is_planned_is_no_alarm_until_its_time_has_come(self):
        assert refused(WORKS) == ("ingest.not_an_alarm", "")
        come = draft_of("datex2", WORKS.replace(NOW, "2026-08-03T23:05:00+08:00")).content
        assert (come.kind, come.phase, come.revision) == (
            AlertKind.ROADWORKS,
            AlertPhase.UPDATE,
            "2026-07-30T09:00:00+08:00",
        )

    def test_a_period_that_is_over_ends_it_under_the_same_version(self):
        over = draft_of("datex2", WORKS.replace(NOW, "2026-08-04T05:00:00+08:00")).content
        assert (over.phase, over.revision) == (AlertPhase.END, "2026-07-30T09:00:00+08:00 end")

    @pytest.mark.parametrize("word", ["suspended", "planned"])
    def test_the_word_of_its_validity_counts_before_its_period(self, word: str):
        body = WORKS.replace("definedByValidityTimeSpec", word).replace(NOW, "2026-08-03T23:05:00+08:00")
        entry = entry_of(body)
        if word == "planned":
            assert isinstance(entry, Rejected)
        else:
            assert isinstance(entry, Draft)
            assert entry.content.phase is AlertPhase.END

    @pytest.mark.parametrize("word", ["end", "cancel"])
    def test_version_2_says_that_it_is_over(self, word: str):
        content = draft_of("datex2", VERSION_2.replace("<end>", f"<{word}>").replace("</end>", f"</{word}>")).content
        assert (content.kind, content.phase) == (AlertKind.ROAD_BLOCKED, AlertPhase.END)
        assert content.revision == "2026-08-01T21:06:04.287+08:00 end"
        assert content.place.address == "人民南路"

    def test_as_long_as_one_record_holds_the_situation_is_not_over(self):
        body = ACCIDENT.replace("definedByValidityTimeSpec", "suspended")
        content = draft_of("datex2", body).content
        assert (content.kind, content.phase) == (AlertKind.ACCIDENT, AlertPhase.START)
        assert content.vendor_type == "RoadOrCarriagewayOrLaneManagement/laneClosures/accident"


class TestPublications:
    def test_each_situation_has_a_verdict_of_its_own(self):
        parsed = parse("datex2", FEED)
        verdicts = [entry.refusal.code if isinstance(entry, Rejected) else "alert" for entry in parsed.entries]
        assert (verdicts, parsed.batch) == (["alert", "ingest.not_an_alarm", "ingest.malformed"], True)

    def test_what_is_kept_aside_is_a_publication_that_can_be_tried_again(self):
        kept = parse("datex2", FEED).entries[2]
        assert isinstance(kept, Rejected)
        again = draft_of("datex2", kept.body.replace(b"rumour", b"real")).content
        assert (again.source_event_id, again.kind) == ("CD-0117", AlertKind.ROAD_BLOCKED)

    def test_an_empty_publication_only_says_that_the_service_lives(self):
        empty = re.sub(r"<sit:situation id.*</sit:situation>", "", FEED, flags=re.DOTALL)
        assert parse("datex2", empty).heartbeat

    def test_another_publication_is_another_document(self):
        body = FEED.replace("sit:SituationPublication", "roa:MeasuredDataPublication")
        assert refusal_of("datex2", body).code == "ingest.wrong_document"

    def test_a_datum_in_the_address_is_refused(self):
        assert refusal_of("datex2", FEED, crs="gcj02").pointer == "query:crs"

    def test_more_than_a_batch_holds_is_refused(self):
        situation = '<situation id="1"/>'
        body = f"<situationPublication>{situation * (BATCH_ALERTS_MAX + 1)}</situationPublication>"
        assert refusal_of("datex2", body).code == "ingest.too_many"


async def test_a_situation_is_recorded_once_its_change_and_its_end_are_others(stage: Stage):
    first = draft_of("datex2", ACCIDENT)
    ended = draft_of(
        "datex2", ACCIDENT.replace("active", "suspended").replace("definedByValidityTimeSpec", "suspended")
    )
    receipts = [await stage.receipt(each) for each in (first, first, ended)]
    assert [(receipt.duplicate, receipt.revised) for receipt in receipts] == [
        (False, False),
        (True, False),
        (False, False),
    ]
    phases = [fact.event.content.phase for fact in await stage.facts()]
    assert phases == [AlertPhase.START, AlertPhase.END]
