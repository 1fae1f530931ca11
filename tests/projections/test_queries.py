"""What readers ask, on the real tables: who sees what, in which order, page by page."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest

from domain.assignment.events import AssignmentAcknowledged, AssignmentMade, UnitOnScene, UnitRegistered, UnitWentOnDuty
from domain.camera.events import CameraDetached, CameraInstalled, SiteBuilt
from domain.event import GeoPoint, Personal, Place
from domain.identifiers import companion_of
from domain.incident.events import (
    AgencyAccepted,
    AlertsFolded,
    FoldedAlert,
    IncidentEscalated,
    IncidentRelocated,
    IncidentUnmerged,
    NoteAdded,
    NoteStruck,
    TransferAccepted,
    TransferDeclined,
)
from domain.report.events import ReportFiled, ReportLinked
from domain.vocabulary import Severity, SiteClass, UnitKind
from projections import cards
from projections.agency_queue import queue_item
from projections.inbox import inbox_item
from projections.queries import board, cameras, incidents, progress, response_times, search, units
from projections.queries.sight import EVERYTHING
from tests.domain.incident_story import (
    ACCEPTED,
    CITY,
    CLOSED,
    DISTRICT,
    EXERCISE,
    MERGED,
    NOON,
    OFFERED,
    OPENED,
    OTHER_STATION,
    REOPENED,
    RESOLVED,
    ROUTED,
    STATION,
    TRANSFER,
    WHY,
    owned_by,
)
from tests.projections.conftest import City
from tests.projections.happenings import BEGAN_AT, INCIDENTS, OTHERS, UNITS, happened

ONE, TWO, THREE = INCIDENTS
UNIT = UNITS[0]
MADE = AssignmentMade(
    assignment_id=UNITS[1],
    incident_id=ONE,
    incident_number=OPENED.number,
    incident_owner=owned_by(STATION),
    unit_id=UNIT,
    agency="traffic_police",
    call_sign="A-17",
)


async def numbers(city: City, query: Any) -> list[UUID]:
    return [row["incident_id"] for row in await city.ask(query)]


async def test_owner_ancestors_and_recipients_see_an_incident_and_others_do_not(city: City) -> None:
    await city.tell(happened(ONE, OPENED, ROUTED))
    for center_id in (STATION, DISTRICT, CITY):
        assert await numbers(city, board.for_center(center_id, sight=EVERYTHING, cursor=None, limit=10)) == [ONE]
    assert await numbers(city, board.for_center(OTHER_STATION, sight=EVERYTHING, cursor=None, limit=10)) == []


async def test_a_board_is_read_page_by_page_most_urgent_first(city: City) -> None:
    story = []
    wanted = []
    for place in range(7):
        one = uuid5(ONE, str(place))
        priority = place % 3
        story += happened(one, OPENED.model_copy(update={"priority": priority}))
        wanted.append((priority, place, one))
    await city.tell(story)
    seen: list[UUID] = []
    cursor = None
    while True:
        rows = await city.ask(board.for_center(STATION, sight=EVERYTHING, cursor=cursor, limit=3))
        seen += [row["incident_id"] for row in rows[:3]]
        if len(rows) <= 3:
            break
        cursor = (rows[2]["priority"], rows[2]["opened_position"])
    assert seen == [one for _, _, one in sorted(wanted)]


async def test_ended_incidents_leave_the_board_and_come_back_when_reopened(city: City) -> None:
    await city.tell(happened(ONE, OPENED, ACCEPTED, RESOLVED, CLOSED) + happened(TWO, OPENED, MERGED))
    assert await numbers(city, board.for_city(sight=EVERYTHING, cursor=None, limit=10)) == []
    assert await numbers(city, board.ended(STATION, sight=EVERYTHING, before_position=None, limit=10)) == [TWO, ONE]
    await city.tell(happened(ONE, REOPENED))
    assert await numbers(city, board.for_city(sight=EVERYTHING, cursor=None, limit=10)) == [ONE]


async def test_filters_leave_out(city: City) -> None:
    await city.tell(happened(ONE, OPENED, ROUTED) + happened(TWO, EXERCISE))

    async def filtered(**only: Any) -> list[UUID]:
        return await numbers(
            city, board.for_city(sight=EVERYTHING, cursor=None, limit=10, only=board.BoardFilter(**only))
        )

    assert await filtered(with_exercises=False) == [ONE]
    assert await filtered(agencies=["traffic_police"]) == [ONE]
    assert await filtered(categories=["flood.warning"]) == []
    assert await filtered(min_severity=int(Severity.SEVERE)) == []
    assert await filtered(phases=["open"]) == [ONE, TWO]
    (counted,) = await city.ask(board.counts_for_center(STATION, sight=EVERYTHING))
    assert (counted["phase"], counted["incidents"]) == ("open", 2)
    assert await numbers(city, board.by_number(OPENED.city, OPENED.number, sight=EVERYTHING)) in (
        [ONE, TWO],
        [TWO, ONE],
    )


async def test_an_inbox_holds_what_waits_for_the_center(city: City) -> None:
    await city.tell(happened(ONE, OPENED, ROUTED))
    (row,) = await city.ask(board.inbox(STATION, sight=EVERYTHING, cursor=None, limit=10))
    assert [entry["kind"] for entry in inbox_item(row, STATION)["waiting_for"]] == ["accept"]
    assert await numbers(city, board.inbox(CITY, sight=EVERYTHING, cursor=None, limit=10)) == []
    await city.tell(happened(ONE, ACCEPTED))
    assert await numbers(city, board.inbox(STATION, sight=EVERYTHING, cursor=None, limit=10)) == []


async def test_an_offer_waits_in_the_addressees_inbox_until_it_is_answered(city: City) -> None:
    await city.tell(happened(ONE, OPENED, ACCEPTED, OFFERED))
    (row,) = await city.ask(board.inbox(OTHER_STATION, sight=EVERYTHING, cursor=None, limit=10))
    assert inbox_item(row, OTHER_STATION)["waiting_for"][0]["transfer_id"] == str(TRANSFER)
    declined = TransferDeclined(transfer_id=TRANSFER, to_center_id=OTHER_STATION, reason="not ours")
    await city.tell(happened(ONE, declined))
    assert await numbers(city, board.inbox(OTHER_STATION, sight=EVERYTHING, cursor=None, limit=10)) == []
    assert await numbers(city, board.for_center(OTHER_STATION, sight=EVERYTHING, cursor=None, limit=10)) == []
    moved = TransferAccepted(transfer_id=TRANSFER, from_center_id=STATION, owner=owned_by(OTHER_STATION))
    await city.tell(happened(ONE, OFFERED, moved))
    assert await numbers(city, board.for_center(STATION, sight=EVERYTHING, cursor=None, limit=10)) == []
    assert await numbers(city, board.for_center(OTHER_STATION, sight=EVERYTHING, cursor=None, limit=10)) == [ONE]


async def test_an_escalation_waits_until_somebody_accepts(city: City) -> None:
    escalated = IncidentEscalated(
        level=1, deadline="accept", to=owned_by(DISTRICT), due_at=NOON, late_s=2, explanation=WHY
    )
    await city.tell(happened(ONE, OPENED, ROUTED, escalated))
    (row,) = await city.ask(board.inbox(DISTRICT, sight=EVERYTHING, cursor=None, limit=10))
    assert (row["escalation_level"], row["inbox"][-1]["kind"]) == (1, "escalation")
    await city.tell(happened(ONE, ACCEPTED))
    assert await numbers(city, board.inbox(DISTRICT, sight=EVERYTHING, cursor=None, limit=10)) == []


async def test_a_crew_of_a_merged_incident_that_owes_its_answer_is_in_sight_of_the_heads_center(city: City) -> None:
    def told(center_id: UUID) -> IncidentEscalated:
        return IncidentEscalated(
            level=1,
            deadline="acknowledge",
            to=owned_by(center_id),
            assignment_id=UNITS[1],
            due_at=NOON,
            late_s=2,
            explanation=WHY,
        )

    async def waiting() -> list[list[UUID]]:
        return [
            await numbers(city, board.inbox(each, sight=EVERYTHING, cursor=None, limit=10))
            for each in (DISTRICT, OTHER_STATION)
        ]

    await city.tell([*happened(ONE, OPENED), *happened(UNIT, MADE), *happened(ONE, ACCEPTED, told(DISTRICT))])
    assert await waiting() == [[ONE], []]
    await city.tell(happened(ONE, MERGED))
    assert await waiting() == [[ONE], []], "a merge hides no crew that owes its answer"
    await city.tell(happened(ONE, told(OTHER_STATION)))
    assert await waiting() == [[ONE], [ONE]]
    (row,) = await city.ask(board.inbox(OTHER_STATION, sight=EVERYTHING, cursor=None, limit=10))
    assert (row["phase"], row["merged_into"]) == ("merged", MERGED.into_incident_id)
    unmerged = IncidentUnmerged(merge_id=MERGED.merge_id, from_incident_id=MERGED.into_incident_id)
    await city.tell(happened(ONE, unmerged))
    assert await waiting() == [[ONE], []], "what the head's center was told is its business no longer"
    await city.tell(happened(ONE, MERGED, told(OTHER_STATION)))
    await city.tell(happened(UNIT, AssignmentAcknowledged(assignment_id=UNITS[1], incident_id=ONE)))
    assert await waiting() == [[], []]
    assert await numbers(city, board.for_city(sight=EVERYTHING, cursor=None, limit=10)) == []


async def test_an_agency_sees_its_queue_by_role_and_answer(city: City) -> None:
    await city.tell(happened(ONE, OPENED, ROUTED))

    async def queue(**wanted: Any) -> list[UUID]:
        return await numbers(
            city, board.for_agency("traffic_police", sight=EVERYTHING, cursor=None, limit=10, **wanted)
        )

    assert await queue() == await queue(roles=["responsible"]) == await queue(answer="none") == [ONE]
    assert await queue(roles=["informed", "supporting"]) == await queue(answer="accepted") == []
    await city.tell(happened(ONE, AgencyAccepted(agency="traffic_police", reference="JJ-7")))
    (row,) = await city.ask(
        board.for_agency("traffic_police", sight=EVERYTHING, cursor=None, limit=10, answer="accepted")
    )
    assert queue_item(row, "traffic_police")["mine"][0]["reference"] == "JJ-7"
    assert await numbers(city, board.for_agency("fire", sight=EVERYTHING, cursor=None, limit=10)) == []


REGISTERED = UnitRegistered(
    city="chengdu",
    call_sign="A-17",
    agency="traffic_police",
    base=owned_by(STATION),
    kind=UnitKind.MOTORCYCLE,
    home=GeoPoint(lon=104.06, lat=30.66),
)


async def test_statuses_of_unit_and_incident_follow_the_assignment(city: City) -> None:
    about = {"assignment_id": MADE.assignment_id, "incident_id": ONE}
    await city.tell(happened(ONE, OPENED) + happened(UNIT, REGISTERED, UnitWentOnDuty()))
    seen = []
    for event in (MADE, AssignmentAcknowledged(**about), UnitOnScene(**about)):
        await city.tell(happened(UNIT, event))
        (row,) = await city.ask(board.one(ONE))
        (unit,) = await city.ask(units.roster(center_id=DISTRICT, agency="traffic_police", limit=10))
        seen.append((row["response_status"], unit["status"]))
    assert seen == [("assigned", "assigned"), ("acknowledged", "assigned"), ("on_scene", "on_scene")]
    assert await city.ask(units.roster(statuses=["available"], limit=10)) == []
    assert await city.ask(units.roster(after_call_sign="A-17", limit=10)) == []


async def test_a_struck_note_stays_on_the_card_as_struck(city: City) -> None:
    noted = NoteAdded(incident_id=ONE, note_id=OTHERS[0], text="车牌看错")
    struck = NoteStruck(incident_id=ONE, note_id=OTHERS[0], reason="typing error")
    await city.tell(happened(ONE, OPENED) + happened(companion_of(ONE), noted, struck))
    (row,), (document,) = await city.ask(board.one(ONE)), await city.ask(incidents.card(ONE))
    (note,) = cards.card(row, document)["notes"]
    assert (note["text"], note["struck"]["reason"]) == ("车牌看错", "typing error")


async def test_alerts_are_listed_newest_first(city: City) -> None:
    folded = AlertsFolded(
        incident_id=ONE,
        alerts=tuple(
            FoldedAlert(position=at, alert_id=uuid5(ONE, str(at)), severity=Severity.MINOR, reason="correlation.near")
            for at in (8, 9)
        ),
        first_occurred_at=NOON,
        last_occurred_at=NOON,
    )
    await city.tell(happened(ONE, OPENED) + happened(companion_of(ONE), folded))
    links = await city.ask(incidents.alerts(ONE, limit=10))
    assert [link["alert_position"] for link in links] == [9, 8, 7]
    (link,) = await city.ask(incidents.of_alerts([uuid5(ONE, "9")]))
    assert link["incident_id"] == ONE
    (row,) = await city.ask(board.one(ONE))
    assert row["alert_count"] == 3


REPORT = ReportFiled(
    channel="hotline_110",
    category="traffic.accident",
    place=Place(address="武侯祠大街231号"),
    text="两车追尾，占用公交车道",
    center_id=STATION,
    caller=Personal(subject_id=OTHERS[3], sealed="c2VhbGVk"),
)


@pytest.mark.parametrize(
    ("words", "finds"),
    [
        ("追尾", True),
        ("公交车道 追尾", True),
        ("武侯祠大街", True),
        ("231号", True),
        (OPENED.number, True),
        ("traffic.accident", True),
        ("追尾 火灾", False),
        ("c2VhbGVk", False),
        ("，", False),
    ],
)
async def test_search_finds_words_of_incident_report_and_notes(city: City, words: str, finds: bool) -> None:
    linked = ReportLinked(incident_id=ONE, relation="opened")
    await city.tell(happened(ONE, OPENED) + happened(OTHERS[0], REPORT, linked))
    query = search.incidents(words, sight=EVERYTHING, center_id=STATION, limit=10)
    found = [] if query is None else await numbers(city, query)
    assert found == ([ONE] if finds else [])
    if finds and words == "追尾":
        (excerpt,) = await city.ask(search.excerpts(words, [ONE]))
        assert (excerpt["kind"], excerpt["incident_id"]) == ("report", ONE)
        elsewhere = search.incidents(words, sight=EVERYTHING, center_id=OTHER_STATION, limit=10)
        assert elsewhere is not None
        assert await numbers(city, elsewhere) == []


async def test_reports_are_found_by_subject_and_carry_ciphertext_only(city: City) -> None:
    await city.tell(happened(OTHERS[0], REPORT))
    (report,) = await city.ask(incidents.reports_about(OTHERS[3]))
    assert report["sealed"]["caller"] == {"subject_id": str(OTHERS[3]), "sealed": "c2VhbGVk"}
    assert await city.ask(incidents.reports(ONE)) == []
    assert len(await city.ask(incidents.report(OTHERS[0], sight=EVERYTHING))) == 1


async def test_cameras_are_found_by_place_code_and_center(city: City) -> None:
    site = SiteBuilt(
        city="chengdu",
        code="S1",
        site_class=SiteClass.MAIN_JUNCTION,
        location=GeoPoint(lon=104.06, lat=30.66),
        owner="city",
        operator="telecom",
        maintainer="telecom",
        phase="2006",
        built_on=date(2006, 5, 1),
    )
    story = happened(OTHERS[0], site)
    for place, lon in enumerate((104.0600, 104.0610, 104.0900)):
        camera = CameraInstalled(
            city="chengdu",
            code=f"5101000000132000000{place}",
            site_id=OTHERS[0],
            label="路口",
            location=GeoPoint(lon=lon, lat=30.66),
            gateway="hik",
            aliases=(f"ch{place}",),
            station_id=STATION,
            path=(CITY, DISTRICT, STATION),
        )
        story += happened(uuid5(ONE, f"camera {place}"), camera)
    await city.tell(story)
    near = await city.ask(cameras.near(104.0605, 30.66, radius_m=500, limit=10, site_class="main_junction"))
    assert [camera["code"][-1] for camera in near] == ["0", "1"]
    assert near[0]["distance_m"] == pytest.approx(47.8, abs=1)
    box = cameras.Box(west=104.05, south=30.6, east=104.08, north=30.7)
    assert len(await city.ask(cameras.inside(box, limit=10))) == 2
    assert len(await city.ask(cameras.of_center((CITY, DISTRICT), limit=10))) == 3
    (found,) = await city.ask(cameras.by_reference("chengdu", "ch2"))
    assert found["site_class"] == "main_junction"
    await city.tell(happened(found["camera_id"], CameraDetached(reason="removed")))
    assert len(await city.ask(cameras.of_center((CITY, DISTRICT), limit=10))) == 2
    (covered,) = await city.ask(cameras.coverage(date(2007, 1, 1)))
    assert (covered["site_class"], covered["phase"], covered["sites"]) == ("main_junction", "2006", 1)
    assert await city.ask(cameras.coverage(date(2006, 1, 1))) == []


async def test_percentiles_are_computed_over_rows(city: City) -> None:
    for place, wait_s in enumerate((10, 20, 30, 40)):
        one = uuid5(TWO, str(place))
        filler = happened(THREE, *[IncidentRelocated(place=OPENED.place)] * (wait_s - 1))
        await city.tell([*happened(one, OPENED), *filler, *happened(one, ACCEPTED)])
    await city.tell(happened(ONE, OPENED) + happened(TWO, EXERCISE))
    since, until = BEGAN_AT - timedelta(days=1), datetime(2030, 1, 1, tzinfo=UTC)
    query = response_times.percentiles(
        "opened_at", "accepted_at", sight=EVERYTHING, since=since, until=until, fractions=[0.5, 1.0]
    )
    (row,) = await city.ask(query)
    assert (row["incidents"], row["measured"], row["seconds"]) == (5, 4, [25.0, 40.0])
    by = response_times.percentiles(
        "opened_at", "accepted_at", sight=EVERYTHING, since=since, until=until, by="category", center_id=DISTRICT
    )
    (row,) = await city.ask(by)
    assert (row["category"], row["seconds_max"]) == ("traffic.accident", 40)


async def test_the_position_of_several_projections_is_the_least(city: City) -> None:
    await city.tell(happened(ONE, OPENED))
    (row,) = await city.ask(progress.position(["board", "timeline"]))
    assert next(iter(row.values())) == 1
