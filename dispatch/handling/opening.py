"""Opening incidents: the changes of one decision, numbers included; shared by filed reports and by correlation.

A number is the version of its day's stream: the n-th fact there is the n-th incident of the day. Opening demands the
version it counted from, so two openings that race cannot take the same number, and a refused one leaves no gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from dispatch.directory import Directory
from dispatch.handling.scribe import Change
from dispatch.ports import EventLog
from domain.event import Event, Explanation, Place
from domain.identifiers import number_stream
from domain.incident.events import Cause, IncidentOpened, NumberAllocated
from domain.ownership import Ownership
from domain.rulebook.content import CategoryRule, Rulebook
from domain.vocabulary import AgencyRole, MessageStatus, OwnerRule, Severity


@dataclass(frozen=True, slots=True)
class Opening:
    """One incident to open. `opened_at` chooses the city's day, and with it the number series."""

    incident_id: UUID
    opened_at: datetime
    cause: Cause
    category: str
    severity: Severity
    priority: int
    place: Place
    owner: Ownership
    camera_id: UUID | None = None
    status: MessageStatus = MessageStatus.ACTUAL
    headline: str | None = None
    explanation: Explanation | None = None
    occurred_at: datetime | None = None
    causation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Numbering:
    """How a city counts its incidents: `CD-20240605-0042`, by the city's own day."""

    city: str
    prefix: str
    zone: str

    @classmethod
    def of(cls, rulebook: Rulebook) -> Numbering:
        """The numbering a rulebook prescribes."""
        return cls(rulebook.city, rulebook.number_prefix, rulebook.time_zone)

    def day(self, instant: datetime) -> date:
        """The city's day of an (aware) instant."""
        return instant.astimezone(ZoneInfo(self.zone)).date()

    def stream(self, day: date) -> UUID:
        """The stream that counts the day."""
        return number_stream(self.city, day)

    def number(self, day: date, nth: int) -> str:
        """The n-th number of the day; beyond 9999 it grows a digit."""
        return f"{self.prefix}-{day:%Y%m%d}-{nth:04d}"


async def numbers_used(log: EventLog, numbering: Numbering, instants: Iterable[datetime]) -> dict[date, int]:
    """How many numbers each of those instants' days has used: read before `open_incident_changes`."""
    days = {numbering.day(instant) for instant in instants}
    heads = await log.heads([numbering.stream(day) for day in days])
    return {day: heads[numbering.stream(day)].version if numbering.stream(day) in heads else 0 for day in days}


def open_incident_changes(
    openings: Sequence[Opening],
    *,
    numbering: Numbering,
    used: Mapping[date, int],
    rule_version: int | None = None,
) -> list[Change]:
    """The changes that open these incidents, in order, and count them: one change an incident, one a day's series.

    `used` comes from `numbers_used` for the openings' instants. On a version conflict read it again and decide anew.
    """
    allocated: dict[date, list[Event]] = {}
    changes = []
    for opening in openings:
        day = numbering.day(opening.opened_at)
        series = allocated.setdefault(day, [])
        number = numbering.number(day, used[day] + len(series) + 1)
        series.append(NumberAllocated(number=number, incident_id=opening.incident_id))
        changes.append(
            Change(
                opening.incident_id,
                0,
                (_opened(opening, numbering.city, number),),
                occurred_at=opening.occurred_at,
                causation_id=opening.causation_id,
                correlation_id=opening.incident_id,
                rule_version=rule_version,
            )
        )
    series_changes = [Change(numbering.stream(day), used[day], tuple(events)) for day, events in allocated.items()]
    return changes + series_changes


def counted_from(changes: Sequence[Change], numbering: Numbering, day: date, used: int) -> list[Change]:
    """Changes that open one incident, as if so many numbers of its day had been used."""
    number, series = numbering.number(day, used + 1), numbering.stream(day)
    return [
        replace(
            change,
            expected_version=used if change.stream_id == series else change.expected_version,
            events=tuple(
                event.model_copy(update={"number": number})
                if isinstance(event, IncidentOpened | NumberAllocated)
                else event
                for event in change.events
            ),
        )
        for change in changes
    ]


def _opened(opening: Opening, city: str, number: str) -> IncidentOpened:
    return IncidentOpened(
        number=number,
        city=city,
        cause=opening.cause,
        category=opening.category,
        severity=opening.severity,
        priority=opening.priority,
        place=opening.place,
        camera_id=opening.camera_id,
        owner=opening.owner,
        status=opening.status,
        headline=opening.headline,
        explanation=opening.explanation,
    )


def first_owner(directory: Directory, category: str, place: Place, *, without_point: Ownership | None) -> Ownership:
    """Who owns a new incident of the category at the place, so that none is ever ownerless.

    By the category's owner rule among the centers of the place; outside every center's ground, the city's catch-all.
    A place that is only an address belongs to `without_point` (the center that filed it), else to the catch-all.
    """
    rulebook = directory.rulebook()
    if place.point is None and without_point is not None:
        return without_point
    rule = rulebook.category(category)
    if rule.owner is OwnerRule.AGENCY:
        lateral = directory.functional_center(responsible_agency(rule))
        if lateral is not None:
            return lateral.ownership
    located = directory.locate(place.point) if place.point is not None else ()
    if not located:
        catch_all = directory.center_by_code(rulebook.catch_all_center_code) or directory.root()
        return catch_all.ownership
    level_wanted = {OwnerRule.CITY: 1, OwnerRule.DISTRICT: 2}.get(rule.owner)
    if level_wanted is None:
        return located[-1].ownership
    within = [center for center in located if center.level <= level_wanted]
    return (within or list(located[:1]))[-1].ownership


def responsible_agency(rule: CategoryRule) -> str:
    """The agency that is the dispatcher of record; a category always has exactly one."""
    return next(agency.agency for agency in rule.agencies if agency.role is AgencyRole.RESPONSIBLE)
