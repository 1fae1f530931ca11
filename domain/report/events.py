"""Facts about reports. One stream a report."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from domain.event import Event, MediaReference, Personal, Place
from domain.vocabulary import Severity


class ReportFiled(Event):
    """An operator, a citizen or a call-taker told us. Persons are sealed from the first event on.

    `channel` is `operator`, `hotline_110`, `hotline_12345`, `citizen` or `partner`.
    """

    name: ClassVar[str] = "report.filed"
    channel: str = Field(max_length=50)
    category: str = Field(max_length=100)
    severity: Severity = Severity.UNKNOWN
    place: Place = Place()
    text: str = Field(max_length=4_000)
    camera_id: UUID | None = None
    media: tuple[MediaReference, ...] = Field(default=(), max_length=20)
    center_id: UUID
    caller: Personal | None = None
    caller_phone: Personal | None = None
    persons: tuple[Personal, ...] = Field(default=(), max_length=50)


class ReportLinked(Event):
    """The report is about this incident: `opened` it, or was found a `duplicate` of it."""

    name: ClassVar[str] = "report.linked"
    incident_id: UUID
    relation: str = Field(pattern="^(opened|duplicate)$")


class PersonalFieldsRead(Event):
    """Somebody opened the sealed fields; reads of personal data are facts too."""

    name: ClassVar[str] = "report.personal_fields_read"
    purpose: str = Field(max_length=500)
    fields: tuple[str, ...]


EVENTS: tuple[type[Event], ...] = (ReportFiled, ReportLinked, PersonalFieldsRead)
