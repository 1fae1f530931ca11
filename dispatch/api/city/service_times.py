"""How long things took, by the definitions of the rulebook: those in force then, or those of any version asked for."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Query, Response

from dispatch.api.access.permissions import CallerOf
from dispatch.api.city.csv_table import csv_table
from dispatch.api.city.statistics import Since, Until, center_counted, group_names, require_period
from dispatch.api.http.conditions import MinPosition
from dispatch.api.http.shapes import answers
from dispatch.api.problems.problem import declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from dispatch.handling.scribe import as_fact
from dispatch.working_days import counting_of
from domain.identifiers import rulebook_stream
from domain.policies.service_times import PERCENTILES, Tally, measured
from domain.rulebook.content import Rulebook
from domain.rulebook.events import RulebookActivated
from domain.rulebook.service_times import ServiceTime
from domain.working_time import Counting
from projections.queries import service_times as queries
from projections.service_times import moments_of
from projections.shown import instant, shown

router = protected("statistics")

VIEWS = ("service_times",)
SECOND_LEVEL = 1
"""In a path from the city down."""
By = Literal["category", "agency", "center", "second_level", "priority", "severity", "day", "month"]
EXAMPLE = {
    "since": "2026-06-01T00:00:00Z",
    "until": "2026-07-01T00:00:00Z",
    "center_id": None,
    "by": "category",
    "version": None,
    "items": [
        {
            "service_time": "fire_arrival",
            "service_time_zh": "火警首车到场时间",
            "service_time_en": "First engine on scene",
            "group": "fire.alarm",
            "name_zh": "火灾",
            "name_en": "Fire alarm",
            "ended": 41,
            "on_time": 38,
            "running": 1,
            "running_late": 0,
            "on_time_percent": 92.68,
            "target_s": 300,
            "goal_percent": 90.0,
            "is_met": True,
            "p50_s": 224.0,
            "p90_s": 291.5,
            "p95_s": 322.0,
            "p99_s": 418.25,
            "max_s": 431.0,
        }
    ],
    "definitions": [{"version": 3, "code": "fire_arrival", "target_s": 300}],
}


@dataclass(frozen=True, slots=True)
class InForce:
    """Which version decided when: instants of coming into force, and the versions, in order."""

    since: Sequence[datetime]
    versions: Sequence[int]

    def at(self, moment: datetime) -> int | None:
        """The version in force; the first one for what began before any was."""
        if not self.versions:
            return None
        return self.versions[max(0, bisect_right(self.since, moment) - 1)]


@dataclass(slots=True)
class Counted:
    """What came of the rows, by definition and group."""

    tallies: dict[tuple[str, Any], Tally] = field(default_factory=dict)
    latest: dict[tuple[str, Any], ServiceTime] = field(default_factory=dict)
    used: dict[tuple[int, str], ServiceTime] = field(default_factory=dict)


@router.get(
    "/statistics/service-times",
    operation_id="statistics_service_times",
    summary="How long things took, by definition",
    responses={**declared(404), **answers(EXAMPLE, "One entry a definition and group; with `format=csv` a table.")},
)
async def get_service_times(
    services: ServicesOf,
    caller: CallerOf,
    since: Since,
    until: Until,
    service_time: Annotated[
        list[str] | None, Query(max_length=50, description="Codes of definitions; all without it.")
    ] = None,
    version: Annotated[
        int | None,
        Query(ge=1, le=2**31, description="Measure everything by this version of the rulebook, as if it had held."),
    ] = None,
    by: By | None = None,
    center_id: UUID | None = None,
    agency: Annotated[str | None, Query(max_length=100)] = None,
    category: Annotated[list[str] | None, Query(max_length=50)] = None,
    priority: Annotated[list[int] | None, Query(max_length=11)] = None,
    *,
    answer_as: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
    min_position: MinPosition = None,
) -> Any:
    """Each thing that began in the period counts, by the definition in force when it began, or by `version`.

    What still runs is in no percentile; it counts as late once its time is used up. Exercises never count.
    """
    require_period(since, until)
    await services.freshness.wait(min_position, list(VIEWS))
    wanted = center_counted(services, caller, center_id)
    in_force = await _in_force(services) if version is None else InForce([since], [version])
    rules = _rules(services, in_force)
    if version is not None and not rules:
        raise not_found("This version of the rulebook")
    codes = _codes(rules, service_time)
    counted = Counted()
    for kind in sorted({defined.kind for found in rules.values() for defined in _defined(found, codes)}):
        asked = queries.Asked(kind, since, until, caller.sight, wanted, agency, category or (), priority or ())
        await _count(services, asked, rules, in_force, codes, by, counted)
    keys = sorted(counted.tallies, key=lambda key: (codes.index(key[0]), str(key[1])))
    items = [_item(services, by, key, counted) for key in keys]
    if answer_as == "csv":
        return Response(csv_table(items), media_type="text/csv; charset=utf-8")
    period = {"since": instant(since), "until": instant(until)}
    asked_for = {"center_id": shown(wanted), "by": by, "version": version}
    return {**period, **asked_for, "items": items, "definitions": _applied(counted)}


def _applied(counted: Counted) -> list[dict[str, Any]]:
    """The definitions by which something was measured."""
    used = sorted(counted.used.items())
    return [{"version": number, **defined.model_dump(mode="json")} for (number, _), defined in used]


def _rules(services: Services, in_force: InForce) -> dict[int, Rulebook]:
    """The rulebooks of these versions, as far as they were published."""
    found = {each: services.directory.rulebooks.get(each) for each in in_force.versions}
    return {number: rulebook for number, rulebook in found.items() if rulebook is not None}


async def _in_force(services: Services) -> InForce:
    rows = await services.log.read_stream(rulebook_stream(services.directory.city))
    activated = [as_fact(row) for row in rows if row.topic == RulebookActivated.name]
    return InForce(
        [fact.occurred_at for fact in activated],
        [fact.event.version for fact in activated if isinstance(fact.event, RulebookActivated)],
    )


def _codes(rules: Mapping[int, Rulebook], asked: Sequence[str] | None) -> list[str]:
    """The definitions that are asked for, in the order of the latest version. Raises `Problem` not_found."""
    latest_first = [rules[number] for number in sorted(rules, reverse=True)]
    known = list(dict.fromkeys(each.code for found in latest_first for each in found.service_times))
    for code in asked or ():
        if code not in known:
            raise not_found(f"The service time {code}")
    return [code for code in known if asked is None or code in asked]


def _defined(rulebook: Rulebook, codes: Sequence[str]) -> Iterator[ServiceTime]:
    return (each for each in rulebook.service_times if each.code in codes)


async def _count(
    services: Services,
    asked: queries.Asked,
    rules: Mapping[int, Rulebook],
    in_force: InForce,
    codes: Sequence[str],
    by: str | None,
    counted: Counted,
) -> None:
    """Measure all rows of one kind. Page by page: others have their turn in between."""
    now, after = services.clock.now(), None
    zone = ZoneInfo(services.directory.rulebook().time_zone)
    definitions = {
        number: [
            (each, counting_of(each.counting, found)) for each in _defined(found, codes) if each.kind == asked.kind
        ]
        for number, found in rules.items()
    }

    def measure(rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            version = in_force.at(row["began_at"])
            if version is not None:
                _measure(row, version, definitions.get(version, ()), by, zone, now, counted)

    while True:
        rows = await services.database.rows(queries.page(asked, after))
        # Beside the loop: a calendar of working hours takes 0.4 ms a case.
        await asyncio.to_thread(measure, rows)
        if len(rows) < queries.PAGE_ROWS:
            return
        after = rows[-1]["began_at"], rows[-1]["incident_id"], rows[-1]["subject_id"]


def _measure(
    row: Mapping[str, Any],
    version: int,
    definitions: Sequence[tuple[ServiceTime, Counting]],
    by: str | None,
    zone: ZoneInfo,
    now: datetime,
    counted: Counted,
) -> None:
    fitting = [(defined, counting) for defined, counting in definitions if _is_of(row, defined)]
    moments = moments_of(row) if fitting else []
    for defined, counting in fitting:
        found = measured(defined, moments, counting, now)
        if found is None:
            continue
        key = defined.code, _group(row, by, zone)
        counted.tallies.setdefault(key, Tally()).add(found, defined.target_s)
        counted.latest[key] = counted.used[version, defined.code] = defined


def _is_of(row: Mapping[str, Any], defined: ServiceTime) -> bool:
    return (
        (not defined.categories or row["category"] in defined.categories)
        and (not defined.priorities or row["priority"] in defined.priorities)
        and (not defined.agencies or row["agency"] in defined.agencies)
    )


def _group(row: Mapping[str, Any], by: str | None, zone: ZoneInfo) -> Any:
    match by:
        case None:
            return None
        case "center":
            return row["owner_center_id"]
        case "second_level":
            path = row["owner_path"]
            return path[SECOND_LEVEL] if len(path) > SECOND_LEVEL else path[0]
        case "day":
            return row["began_at"].astimezone(zone).date().isoformat()
        case "month":
            return row["began_at"].astimezone(zone).date().isoformat()[:7]
        case _:
            return row[by]


def _item(services: Services, by: str | None, key: tuple[str, Any], counted: Counted) -> dict[str, Any]:
    (code, group), tally, defined = key, counted.tallies[key], counted.latest[key]
    percent = tally.on_time_percent
    named: dict[str, Any] = {
        "service_time": code,
        "service_time_zh": defined.name_zh,
        "service_time_en": defined.name_en,
    }
    if by is not None:
        named |= {"group": shown(group), **group_names(services, by, group)}
    return {
        **named,
        "ended": len(tally.seconds),
        "on_time": tally.on_time,
        "running": tally.running,
        "running_late": tally.running_late,
        "on_time_percent": None if percent is None else round(percent, 2),
        "target_s": defined.target_s,
        "goal_percent": defined.goal_percent,
        "is_met": None if percent is None else percent >= defined.goal_percent,
        **{f"p{round(fraction * 100)}_s": _seconds(tally.percentile(fraction)) for fraction in PERCENTILES},
        "max_s": _seconds(tally.percentile(1.0)),
    }


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
