"""A report, its incident and its number are one decision."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest

from dispatch.handling.opening import Numbering, Opening, numbers_used, open_incident_changes
from dispatch.handling.reports import NUMBERS_ASKED, ReportDraft, headline
from dispatch.handling.scribe import as_fact
from dispatch.ports import AppendCommand, EventLog, Head, Verdict
from dispatch.store.memory import MemoryLog
from domain.event import Personal, Place
from domain.identifiers import companion_of
from domain.incident import commands as incident_ask
from domain.incident.events import (
    Cause,
    IncidentOpened,
    NumberAllocated,
    ReportAttached,
    SeverityRaised,
)
from domain.ownership import Ownership
from domain.refusals import Refused
from domain.report.events import PersonalFieldsRead, ReportFiled, ReportLinked
from domain.vocabulary import DismissReason, Severity
from tests.handling.world import (
    CAMERA,
    CITY,
    DISTRICT,
    IN_DISTRICT_ONLY,
    IN_STATION,
    NEXT_STATION,
    OUTSIDE,
    RULEBOOK,
    STATION,
    TRAFFIC,
    Interleaved,
    Watch,
    World,
)

DISPUTE = ReportDraft(
    channel="hotline_110",
    category="order.dispute",
    text="Two drivers shout at each other\nand more are coming",
    center_id=NEXT_STATION,
    place=Place(point=IN_STATION),
    severity=Severity.MINOR,
    caller="王小明",
    caller_phone="13800000000",
    persons=("a man in red", "a man in blue"),
)


def like(**fields) -> ReportDraft:
    return ReportDraft(**{**{name: getattr(DISPUTE, name) for name in DISPUTE.__slots__}, **fields})


async def refused(awaitable) -> str:
    with pytest.raises(Refused) as caught:
        await awaitable
    return caught.value.code


async def opened_by(world: World, draft: ReportDraft) -> IncidentOpened:
    outcome = await world.reports.file_report(draft, world.request())
    opened = (await world.facts(UUID(outcome.answer["incident_id"])))[0]
    assert isinstance(opened, IncidentOpened)
    return opened


async def test_a_report_opens_its_incident_with_a_number_in_one_command(world: World):
    before = (await world.log.tip()).position
    outcome = await world.reports.file_report(DISPUTE, world.request())
    names = [type(row.event).__name__ for row in await world.everything(after=before)]
    assert names == ["ReportFiled", "ReportLinked", "IncidentOpened", "NumberAllocated", "ReportAttached"]
    incident_id, report_id = UUID(outcome.answer["incident_id"]), UUID(outcome.answer["report_id"])
    opened = (await world.facts(incident_id))[0]
    assert opened == IncidentOpened(
        number="CD-20260701-0001",
        city="chengdu",
        cause=Cause(report_id=report_id),
        category="order.dispute",
        severity=Severity.MINOR,
        priority=5,
        place=Place(point=IN_STATION),
        owner=Ownership(center_id=STATION, path=(CITY, DISTRICT, STATION)),
        headline="Two drivers shout at each other",
    )
    assert outcome.answer["number"] == "CD-20260701-0001"
    assert (await world.facts(report_id))[1] == ReportLinked(incident_id=incident_id, relation="opened")


async def test_persons_are_sealed_from_the_first_event_on(world: World):
    await world.reports.file_report(DISPUTE, world.request())
    for row in await world.log.read_after(0, limit=1_000):
        for secret in ("王小明", "13800000000", "a man in red"):
            assert secret not in row.state.decode()


async def test_the_card_shows_that_there_is_a_caller_and_not_who(world: World):
    outcome = await world.reports.file_report(DISPUTE, world.request())
    attached = (await world.facts(companion_of(UUID(outcome.answer["incident_id"]))))[0]
    assert isinstance(attached, ReportAttached)
    assert attached.has_caller
    assert not any(isinstance(value, Personal) for value in dict(attached).values())


async def test_reading_personal_fields_is_recorded_and_gives_the_plain_text(world: World):
    outcome = await world.reports.file_report(DISPUTE, world.request())
    report_id = UUID(outcome.answer["report_id"])
    opened = await world.reports.read_personal(
        report_id, ["caller", "persons"], purpose="call back", request=world.request()
    )
    assert opened == {"caller": "王小明", "persons": ["a man in red", "a man in blue"]}
    assert (await world.facts(report_id))[-1] == PersonalFieldsRead(purpose="call back", fields=("caller", "persons"))


async def test_a_destroyed_key_leaves_the_field_unreadable_and_the_report_standing(world: World):
    outcome = await world.reports.file_report(DISPUTE, world.request())
    report_id = UUID(outcome.answer["report_id"])
    filed = (await world.facts(report_id))[0]
    assert isinstance(filed, ReportFiled)
    assert filed.caller is not None
    await world.sealer.destroy(filed.caller.subject_id)
    opened = await world.reports.read_personal(
        report_id, ["caller", "caller_phone", "persons"], purpose="call back", request=world.request()
    )
    assert opened == {"caller": None, "caller_phone": None, "persons": ["a man in red", "a man in blue"]}


async def test_a_report_that_nobody_filed_has_no_fields(world: World):
    read = world.reports.read_personal(UUID(int=999), ["caller"], purpose="?", request=world.request())
    assert await refused(read) == "report.unknown"


@pytest.mark.parametrize(
    ("category", "place", "owner_id"),
    [
        ("order.dispute", Place(point=IN_STATION), STATION),
        ("order.dispute", Place(point=IN_DISTRICT_ONLY), DISTRICT),
        ("flood.waterlogging", Place(point=IN_STATION), DISTRICT),
        ("fire.alarm", Place(point=IN_STATION), CITY),
        ("traffic.accident", Place(point=IN_STATION), TRAFFIC),
        ("help.medical", Place(point=IN_STATION), STATION),
        ("order.dispute", Place(point=OUTSIDE), CITY),
        ("traffic.accident", Place(address="the old bridge"), NEXT_STATION),
        ("order.dispute", Place(address="the old bridge"), NEXT_STATION),
    ],
    ids=[
        "the station of the place",
        "the district where no station has the ground",
        "the district by rule",
        "the city by rule",
        "the agency's own center by rule",
        "the place's center where the agency has none",
        "the catch-all outside every ground",
        "the filing center for an address, whatever the rule",
        "the filing center for an address",
    ],
)
async def test_the_first_owner_follows_the_rule_and_the_place(world: World, category, place, owner_id):
    opened = await opened_by(world, like(category=category, place=place))
    assert opened.owner.center_id == owner_id


async def test_a_point_outside_the_city_is_marked(world: World):
    assert (await opened_by(world, like(place=Place(point=OUTSIDE)))).place.outside_city


async def test_a_camera_says_where(world: World):
    opened = await opened_by(world, like(place=Place(), camera_id=CAMERA))
    assert opened.place.point == IN_STATION
    assert opened.owner.center_id == STATION


async def test_what_does_not_exist_is_refused(world: World):
    unknown = UUID(int=999)
    for draft, code in (
        (like(camera_id=unknown), "camera.unknown"),
        (like(center_id=unknown), "center.unknown"),
        (like(category="traffic.ufo"), "report.unknown_category"),
        (like(place=Place()), "report.no_place"),
    ):
        assert await refused(world.reports.file_report(draft, world.request())) == code


async def test_a_duplicate_shows_on_the_card_and_decides_nothing(world: World):
    first = await world.reports.file_report(DISPUTE, world.request())
    incident_id = UUID(first.answer["incident_id"])
    version = (await world.incidents.state(incident_id)).version
    second = await world.reports.file_report(
        like(text="They are fighting now"), world.request(), duplicate_of=incident_id
    )
    assert second.answer == {
        "report_id": second.answer["report_id"],
        "incident_id": str(incident_id),
        "number": first.answer["number"],
        "relation": "duplicate",
    }
    assert (await world.incidents.state(incident_id)).version == version
    attached = [event for event in await world.facts(companion_of(incident_id)) if isinstance(event, ReportAttached)]
    assert [(event.relation, event.text) for event in attached] == [
        ("opened", DISPUTE.text),
        ("duplicate", "They are fighting now"),
    ]


async def test_a_duplicate_that_is_worse_raises_the_severity(world: World):
    first = await world.reports.file_report(DISPUTE, world.request())
    incident_id = UUID(first.answer["incident_id"])
    second = await world.reports.file_report(like(severity=Severity.EXTREME), world.request(), duplicate_of=incident_id)
    assert (await world.facts(incident_id))[-1] == SeverityRaised(
        from_severity=Severity.MINOR,
        to_severity=Severity.EXTREME,
        priority=3,
        report_id=UUID(second.answer["report_id"]),
    )


async def test_a_duplicate_of_what_is_over_or_unknown_is_refused_and_not_filed(world: World):
    incident_id = await world.open()
    await world.incidents.execute(
        incident_id, incident_ask.DismissIncident(reason=DismissReason.UNFOUNDED), world.request()
    )
    before = await world.log.tip()
    late = world.reports.file_report(DISPUTE, world.request(), duplicate_of=incident_id)
    assert await refused(late) == "incident.already_dismissed"
    never = world.reports.file_report(DISPUTE, world.request(), duplicate_of=UUID(int=999))
    assert await refused(never) == "incident.unknown"
    assert await world.log.tip() == before


async def test_a_repeated_report_is_filed_once(world: World):
    first = await world.reports.file_report(DISPUTE, world.keyed("k", {"text": DISPUTE.text}))
    before = await world.log.tip()
    again = await world.reports.file_report(DISPUTE, world.keyed("k", {"text": DISPUTE.text}))
    assert again.repeated
    assert again.answer == first.answer
    assert await world.log.tip() == before


async def test_a_repeat_is_answered_though_the_city_has_changed_since(world: World):
    draft = like(place=Place(), camera_id=CAMERA)
    first = await world.reports.file_report(draft, world.keyed("k", {"camera": str(CAMERA)}))
    world.directory.cameras.clear()
    again = await world.reports.file_report(draft, world.keyed("k", {"camera": str(CAMERA)}))
    assert again.repeated
    assert again.answer == first.answer


async def test_numbers_begin_anew_on_the_citys_day_and_not_on_utcs(world: World):
    at = datetime(2026, 7, 1, 15, 59, tzinfo=UTC)
    numbers = []
    for moment in (at, at, at.replace(hour=16, minute=0)):
        outcome = await world.reports.file_report(DISPUTE, world.request(received_at=moment))
        numbers.append(outcome.answer["number"])
    assert numbers == ["CD-20260701-0001", "CD-20260701-0002", "CD-20260702-0001"]


async def test_a_refused_report_takes_no_number(world: World):
    await refused(world.reports.file_report(like(place=Place()), world.request()))
    outcome = await world.reports.file_report(DISPUTE, world.request())
    assert outcome.answer["number"] == "CD-20260701-0001"


async def test_a_rush_of_reports_at_two_desks_leaves_no_gap_and_no_double():
    watch = Watch()
    log = MemoryLog(watch)
    await World(log, watch).settle()
    racing = Interleaved(log, [1])
    desks = [World(racing, watch, asked=1_000 * (1 + number)) for number in range(2)]
    for desk in desks:
        await desk.directory.catch_up()
    outcomes = await asyncio.gather(
        *(desk.reports.file_report(DISPUTE, desk.request()) for _ in range(30) for desk in desks)
    )
    assert racing.conflicts > 0, "the two desks never met: the schedule proves nothing"
    numbers = sorted(outcome.answer["number"] for outcome in outcomes)
    assert numbers == [f"CD-20260701-{nth:04d}" for nth in range(1, 61)]


class Rivalled:
    """A log on which a rival takes numbers before each of the first appends, as the correlator does in a flood."""

    def __init__(self, log: MemoryLog, rival: World, *, races: int, numbers: int = 1) -> None:
        self._log = log
        self._rival = rival
        self._races = races
        self._numbers = numbers
        self.looked = self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, command: AppendCommand) -> Verdict:
        return (await self.append_many([command]))[0]

    async def append_many(self, commands: Sequence[AppendCommand]) -> list[Verdict]:
        self.asked += 1
        if self._races:
            self._races -= 1
            for _ in range(self._numbers):
                await self._rival.reports.file_report(DISPUTE, self._rival.request())
        return await self._log.append_many(commands)

    async def heads(self, stream_ids: Sequence[UUID]) -> dict[UUID, Head]:
        self.looked += 1
        return await self._log.heads(stream_ids)


@pytest.mark.parametrize(
    ("taken", "attempts"), [(1, 3), (7, 3), (NUMBERS_ASKED - 1, 3), (NUMBERS_ASKED, 4), (3 * NUMBERS_ASKED, 5)]
)
async def test_whoever_lost_the_number_twice_gets_one_of_the_next_however_fast_others_take_them(
    taken: int, attempts: int
):
    watch = Watch()
    log = MemoryLog(watch)
    rival = World(log, watch)
    await rival.settle()
    rivalled = Rivalled(log, rival, races=1_000, numbers=taken)
    world = World(cast("EventLog", rivalled), watch, asked=100_000)
    await world.directory.catch_up()
    request = world.keyed("one call", {})
    outcome = await world.reports.file_report(DISPUTE, request)
    numbers_before = attempts * taken
    assert (rivalled.asked, rivalled.looked) == (attempts, 1), "a race that is lost tells the number to take next"
    assert outcome.answer["number"] == f"CD-20260701-{numbers_before + 1:04d}"
    recorded = [as_fact(row).event for row in await log.read_after(0, limit=10_000)]
    opened = [event for event in recorded if isinstance(event, IncidentOpened)]
    assert [event.number for event in opened] == [f"CD-20260701-{n:04d}" for n in range(1, numbers_before + 2)]
    assert str(opened[-1].cause.report_id) == outcome.answer["report_id"]
    again = await world.reports.file_report(DISPUTE, request)
    assert (again.repeated, again.answer) == (True, outcome.answer)


async def test_several_incidents_of_one_page_are_numbered_together(world: World):
    numbering = Numbering.of(RULEBOOK)
    await world.reports.file_report(DISPUTE, world.request())
    openings = [
        Opening(
            incident_id=UUID(int=5_000 + number),
            opened_at=moment,
            cause=Cause(alert_ids=(UUID(int=number),), alert_positions=(number,)),
            category="traffic.accident",
            severity=Severity.SEVERE,
            priority=4,
            place=Place(point=IN_STATION),
            owner=Ownership(center_id=TRAFFIC, path=(CITY, TRAFFIC)),
        )
        for number, moment in enumerate(
            (
                datetime(2026, 7, 1, 5, tzinfo=UTC),
                datetime(2026, 7, 1, 6, tzinfo=UTC),
                datetime(2026, 7, 2, 5, tzinfo=UTC),
            ),
            start=1,
        )
    ]
    used = await numbers_used(world.log, numbering, [opening.opened_at for opening in openings])
    changes = open_incident_changes(openings, numbering=numbering, used=used, rule_version=1)
    await world.scribe.record(changes, world.request())
    numbers = []
    for opening in openings:
        opened = (await world.facts(opening.incident_id))[0]
        assert isinstance(opened, IncidentOpened)
        numbers.append(opened.number)
    assert numbers == ["CD-20260701-0002", "CD-20260701-0003", "CD-20260702-0001"]
    counted = await world.facts(numbering.stream(openings[0].opened_at.date()))
    assert [event.number for event in counted if isinstance(event, NumberAllocated)] == [
        "CD-20260701-0001",
        "CD-20260701-0002",
        "CD-20260701-0003",
    ]


def test_a_headline_is_the_first_line_cut_to_what_a_board_shows():
    assert headline("  fire\nin the market") == "fire"
    assert headline("x" * 500) == "x" * 119 + "…"
    assert headline("   ") == ""


def test_a_number_grows_a_digit_after_the_9999th_of_a_day():
    numbering = Numbering.of(RULEBOOK)
    assert numbering.number(datetime(2026, 7, 1, tzinfo=UTC).date(), 12_345) == "CD-20260701-12345"
