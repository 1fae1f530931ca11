"""What is counted, under the definition that is asked for: what dates an incident, whether merged ones count, and by
what they are grouped. Three small statements over one set of incidents; nothing is kept in advance.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, Column, ColumnElement, Select, Subquery, and_, exists, func, literal, or_, select, true

from domain.vocabulary import DismissReason, Disposition, IncidentPhase
from projections import city_tables, tables
from projections.outcomes import CAMPAIGN, CASE, NOT_CAMPAIGN, PEOPLE
from projections.queries import sight as sights
from projections.queries.board import LIMIT_MAX
from projections.queries.sight import Sight
from projections.response_times import STEPS

BY = (
    "category",
    "agency",
    "center",
    "second_level",
    "reporter_center",
    "severity",
    "disposition",
    "day",
    "month",
    "campaign",
)
GROUPS_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Definition:
    """What counts. Incidents whose `dated_by` lies in [since, until); exercises never do.

    A merged incident is counted with its head, not by itself, unless `with_merged`. `campaign_id` counts what the
    campaign counts; `time_zone` says where a day and a month begin.

    An incident is its owner's (`center_id`, by `center`), and beside that whoever reported it has reported it:
    `taken_by` counts incidents of which one of these centers took a report, and of reports only theirs;
    `reporter_center` groups by the center that took it. What two centers reported counts for each of them; what was
    reported of a merged incident was reported of its head; what only machines saw has no reporter.
    """

    since: datetime
    until: datetime
    sight: Sight
    dated_by: str = "opened_at"
    by: str | None = None
    center_id: UUID | None = None
    taken_by: Collection[UUID] = ()
    agency: str | None = None
    categories: Sequence[str] = ()
    campaign_id: UUID | None = None
    with_merged: bool = False
    time_zone: str = "Asia/Shanghai"


def incidents(wanted: Definition) -> Select[Any]:
    """`group`, `incidents`, `alerts`, `reports`, `dismissed`, `resolved`, `closed` and one column a disposition."""
    counted = _counted(wanted)
    reports = _reports(wanted, counted)
    columns = counted.c
    query = select(
        columns.group,
        func.count().label("incidents"),
        func.coalesce(func.sum(columns.alert_count), 0).label("alerts"),
        func.coalesce(func.sum(reports.c.reports), 0).label("reports"),
        func.count().filter(columns.phase == IncidentPhase.DISMISSED.value).label("dismissed"),
        func.count().filter(columns.is_resolved).label("resolved"),
        func.count().filter(columns.phase == IncidentPhase.CLOSED.value).label("closed"),
        *(func.count().filter(columns.disposition == one.value).label(one.value) for one in Disposition),
    ).select_from(counted.outerjoin(reports, _of_its_group(wanted, counted, reports)))
    return query.group_by(columns.group).order_by(columns.group).limit(GROUPS_MAX)


def cases(wanted: Definition) -> Select[Any]:
    """`group`, `case_kind`, `cases`: however many incidents led to one, a case is one."""
    counted, table = _with_guests(wanted), city_tables.outcomes
    number = func.concat_ws("\x1f", table.c.system, table.c.number)
    return (
        select(counted.c.group, table.c.case_kind, func.count(number.distinct()).label("cases"))
        .join(table, and_(table.c.incident_id == counted.c.incident_id, table.c.kind == CASE))
        .group_by(counted.c.group, table.c.case_kind)
        .order_by(counted.c.group, table.c.case_kind)
    )


def people(wanted: Definition) -> Select[Any]:
    """`group`, `outcome`, `people`."""
    counted, table = _with_guests(wanted), city_tables.outcomes
    return (
        select(counted.c.group, table.c.outcome, func.sum(table.c.people).label("people"))
        .join(table, and_(table.c.incident_id == counted.c.incident_id, table.c.kind == PEOPLE))
        .group_by(counted.c.group, table.c.outcome)
        .order_by(counted.c.group, table.c.outcome)
    )


def combined(
    counts: Sequence[Mapping[str, Any]], cases_of: Sequence[Mapping[str, Any]], people_of: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """One entry a group: its counts, `dispositions`, `cases` and `people` by their kinds."""
    found: dict[Any, dict[str, Any]] = {}
    for row in counts:
        plain = {name: int(row[name]) for name in ("incidents", "alerts", "reports", "dismissed", "resolved", "closed")}
        dispositions = {one.value: int(row[one.value]) for one in Disposition if row[one.value]}
        found[row["group"]] = {**plain, "dispositions": dispositions, "cases": {}, "people": {}}
    for row in cases_of:
        found[row["group"]]["cases"][row["case_kind"]] = int(row["cases"])
    for row in people_of:
        found[row["group"]]["people"][row["outcome"]] = int(row["people"])
    return [{"group": group, **entry} for group, entry in found.items()]


def precision(
    *,
    sight: Sight,
    since: datetime,
    until: datetime,
    center_id: UUID | None,
    after: tuple[int, UUID] | None,
    limit: int,
) -> Select[Any]:
    """`camera_id`, `incidents`, `false_alarms`, `real`, `undecided` of each camera that opened an incident, the most
    false alarms first; one row more than `limit`. What was dismissed as a test or as gone is neither false nor real.
    """
    times, board = tables.response_times, tables.board
    false = func.count().filter(board.c.disposition == DismissReason.FALSE_ALARM.value)
    real = func.count().filter(board.c.disposition.in_([one.value for one in Disposition]))
    undecided = func.count().filter(board.c.disposition.is_(None))
    query = (
        select(
            board.c.camera_id,
            func.count().label("incidents"),
            false.label("false_alarms"),
            real.label("real"),
            undecided.label("undecided"),
        )
        .select_from(times.join(board, board.c.incident_id == times.c.incident_id))
        .where(
            times.c.opened_at >= since,
            times.c.opened_at < until,
            ~times.c.is_exercise,
            board.c.camera_id.isnot(None),
            sights.board(sight),
        )
        .group_by(board.c.camera_id)
    )
    if center_id is not None:
        query = query.where(times.c.owner_path.contains([center_id]))
    if after is not None:
        count, camera_id = after
        query = query.having(or_(false < count, and_(false == count, board.c.camera_id > camera_id)))
    return query.order_by(false.desc(), board.c.camera_id).limit(min(limit, LIMIT_MAX) + 1)


def of_incident(incident_id: UUID) -> Select[Any]:
    """What is recorded of one incident, oldest first."""
    table = city_tables.outcomes
    return select(table).where(table.c.incident_id == incident_id).order_by(table.c.said_position)


def of_case(system: str, number: str, *, sight: Sight, before_position: int | None, limit: int) -> Select[Any]:
    """Board rows of the incidents linked to one case, newest first; one row more than `limit`."""
    table, board = city_tables.outcomes, tables.board
    linked = select(table.c.incident_id).where(table.c.kind == CASE, table.c.system == system, table.c.number == number)
    query = select(board).where(board.c.incident_id.in_(linked), sights.board(sight))
    if before_position is not None:
        query = query.where(board.c.opened_position < before_position)
    return query.order_by(board.c.opened_position.desc()).limit(min(limit, LIMIT_MAX) + 1)


def campaigns(*, before_position: int | None, limit: int) -> Select[Any]:
    """Campaigns, newest first; one row more than `limit`."""
    table = city_tables.campaigns
    query = select(table)
    if before_position is not None:
        query = query.where(table.c.opened_position < before_position)
    return query.order_by(table.c.opened_position.desc()).limit(min(limit, LIMIT_MAX) + 1)


def campaign(campaign_id: UUID) -> Select[Any]:
    """One campaign."""
    return select(city_tables.campaigns).where(city_tables.campaigns.c.campaign_id == campaign_id)


def _counted(wanted: Definition) -> Subquery:
    """The incidents that count, with the group of each; several rows where it has several groups (its agencies)."""
    assert wanted.dated_by in STEPS, wanted.dated_by
    assert wanted.by is None or wanted.by in BY, wanted.by
    times, board = tables.response_times, tables.board
    dated = times.c[wanted.dated_by]
    source: Any = times.join(board, board.c.incident_id == times.c.incident_id)
    conditions: list[ColumnElement[bool]] = [
        dated >= wanted.since,
        dated < wanted.until,
        ~times.c.is_exercise,
        sights.board(wanted.sight),
    ]
    if not wanted.with_merged:
        conditions.append(board.c.merged_into.is_(None))
    if wanted.center_id is not None:
        conditions.append(times.c.owner_path.contains([wanted.center_id]))
    if wanted.taken_by and wanted.by != "reporter_center":
        conditions.append(times.c.incident_id.in_(select(_taken(wanted).c.incident_id)))
    if wanted.agency is not None:
        conditions.append(board.c.agencies.contains([wanted.agency]))
    if wanted.categories:
        conditions.append(times.c.category.in_(wanted.categories))
    if wanted.campaign_id is not None:
        source = source.join(city_tables.campaigns, city_tables.campaigns.c.campaign_id == wanted.campaign_id)
        conditions.append(_counts_for(city_tables.campaigns.c, times.c))
    if wanted.by == "agency":
        agencies = func.unnest(board.c.agencies).table_valued("agency").render_derived().lateral()
        source, group = source.join(agencies, true()), agencies.c.agency
    elif wanted.by == "reporter_center":
        taken = _taken(wanted)
        source, group = source.join(taken, taken.c.incident_id == times.c.incident_id), taken.c.center_id
    elif wanted.by == "campaign":
        source = source.join(city_tables.campaigns, _counts_for(city_tables.campaigns.c, times.c))
        group = city_tables.campaigns.c.code
    else:
        group = _group(wanted, dated)
    return (
        select(
            times.c.incident_id,
            group.label("group"),
            board.c.alert_count,
            board.c.phase,
            board.c.disposition,
            times.c.resolved_at.isnot(None).label("is_resolved"),
        )
        .select_from(source)
        .where(*conditions)
        .subquery()
    )


def _with_guests(wanted: Definition) -> Subquery:
    """`incident_id`, `group`: the counted incidents and those merged into them, whose outcomes are theirs."""
    counted = _counted(wanted)
    own = select(counted.c.incident_id, counted.c.group)
    if wanted.with_merged:
        return own.subquery()
    pairs = _pairs()
    guests = select(pairs.c.guest, counted.c.group).join(counted, counted.c.incident_id == pairs.c.head)
    return own.union_all(guests).subquery()


@cache
def _pairs() -> CTE:
    """`guest`, `head`: each merged incident with every one that it is merged into, directly or over others.

    One and the same however often a statement asks: two of one name would be refused.
    """
    board = tables.board
    pairs = (
        select(board.c.incident_id.label("guest"), board.c.merged_into.label("head"))
        .where(board.c.merged_into.isnot(None))
        .cte("pairs", recursive=True)
    )
    return pairs.union(
        select(pairs.c.guest, board.c.merged_into)
        .join(board, board.c.incident_id == pairs.c.head)
        .where(board.c.merged_into.isnot(None))
    )


def _reports(wanted: Definition, counted: Subquery) -> Subquery:
    """`incident_id`, `reports`; also `center_id` where they are counted by who took them."""
    if wanted.by == "reporter_center":
        return _taken(wanted)
    if wanted.taken_by:
        taken = _taken(wanted)
        return (
            select(taken.c.incident_id, func.sum(taken.c.reports).label("reports"))
            .group_by(taken.c.incident_id)
            .subquery()
        )
    table = tables.reports
    return (
        select(table.c.incident_id, func.count().label("reports"))
        .where(table.c.incident_id.in_(select(counted.c.incident_id)))
        .group_by(table.c.incident_id)
        .subquery()
    )


def _taken(wanted: Definition) -> Subquery:
    """`incident_id`, `center_id`, `reports`: who took how many reports of the period's incidents and their guests."""
    table, times = tables.reports, tables.response_times
    dated = times.c[wanted.dated_by]
    source: Any = table
    about: Any = table.c.incident_id
    if not wanted.with_merged:
        pairs = _pairs()
        source = table.outerjoin(pairs, pairs.c.guest == table.c.incident_id)
        about = func.coalesce(pairs.c.head, table.c.incident_id)
    query = (
        select(about.label("incident_id"), table.c.center_id, func.count().label("reports"))
        .select_from(source.join(times, times.c.incident_id == about))
        .where(dated >= wanted.since, dated < wanted.until)
        .group_by(about, table.c.center_id)
    )
    if wanted.taken_by:
        query = query.where(table.c.center_id.in_(list(wanted.taken_by)))
    return query.subquery()


def _of_its_group(wanted: Definition, counted: Subquery, reports: Subquery) -> ColumnElement[bool]:
    same = reports.c.incident_id == counted.c.incident_id
    return and_(same, reports.c.center_id == counted.c.group) if wanted.by == "reporter_center" else same


def _group(wanted: Definition, dated: Column[Any]) -> Any:
    times, board = tables.response_times, tables.board
    local = func.timezone(wanted.time_zone, dated)
    groups: Mapping[str | None, Any] = {
        None: literal("all"),
        "category": times.c.category,
        "center": times.c.owner_center_id,
        "second_level": func.coalesce(times.c.owner_path[2], times.c.owner_path[1]),
        "severity": times.c.severity,
        "disposition": func.coalesce(board.c.disposition, "none"),
        "day": func.to_char(local, "YYYY-MM-DD"),
        "month": func.to_char(local, "YYYY-MM"),
    }
    return groups[wanted.by]


def _counts_for(campaign: Any, times: Any) -> ColumnElement[bool]:
    """Whether a campaign counts an incident: people said so, or its rule does and nobody said otherwise."""
    table = city_tables.outcomes
    said = exists().where(table.c.incident_id == times.incident_id, table.c.campaign_id == campaign.campaign_id)
    by_rule = and_(
        times.opened_at >= campaign.begins_at,
        times.opened_at < campaign.ends_at,
        times.category == func.any(campaign.categories),
        or_(func.cardinality(campaign.center_ids) == 0, times.owner_path.overlap(campaign.center_ids)),
    )
    return or_(said.where(table.c.kind == CAMPAIGN), and_(by_rule, ~said.where(table.c.kind == NOT_CAMPAIGN)))
