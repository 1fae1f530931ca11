"""Facts about mutual aid. None of them moves a unit: units are booked on incidents as always.

A request's facts are on its own stream. For which request a unit is kept is on one of the unit's
(`identifiers.lending_of`): two centers that promise the same unit at once meet there.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Event, Frozen
from domain.ownership import Ownership
from domain.vocabulary import UnitKind

UNITS_MAX = 200


class WantedUnits(Frozen):
    """So many of a kind."""

    kind: UnitKind
    count: int = Field(ge=1, le=100)


class LentUnit(Frozen):
    """A unit that is committed."""

    unit_id: UUID
    call_sign: str


class AidRequested(Event):
    """A center asks another for units: how many of which kind, why, answered by when, needed until when."""

    name: ClassVar[str] = "aid.requested"
    asker: Ownership
    asked: Ownership
    wanted: tuple[WantedUnits, ...] = Field(min_length=1, max_length=20)
    reason: str = Field(min_length=1, max_length=2_000)
    answer_by: AwareDatetime
    ends_at: AwareDatetime
    incident_id: UUID | None = None


class AidAcknowledged(Event):
    """The asked center has read it. No answer yet."""

    name: ClassVar[str] = "aid.acknowledged"
    center_id: UUID


class AidAccepted(Event):
    """It will help. No unit is named yet."""

    name: ClassVar[str] = "aid.accepted"
    center_id: UUID
    note: str | None = Field(default=None, max_length=2_000)


class AidDeclined(Event):
    """It cannot help, and why."""

    name: ClassVar[str] = "aid.declined"
    center_id: UUID
    reason: str = Field(min_length=1, max_length=2_000)


class AidCommitted(Event):
    """These units are kept for the asker."""

    name: ClassVar[str] = "aid.committed"
    center_id: UUID
    units: tuple[LentUnit, ...] = Field(min_length=1, max_length=UNITS_MAX)


class AidReleased(Event):
    """These units are kept for the asker no more: the asker lets them go, or the giver needs them back."""

    name: ClassVar[str] = "aid.released"
    center_id: UUID
    unit_ids: tuple[UUID, ...] = Field(min_length=1, max_length=UNITS_MAX)
    note: str | None = Field(default=None, max_length=2_000)


class AidWithdrawn(Event):
    """The asker needs it no more."""

    name: ClassVar[str] = "aid.withdrawn"
    center_id: UUID
    reason: str = Field(min_length=1, max_length=2_000)


class AidAnswerMissed(Event):
    """By `due_at` it was neither accepted nor declined. Perhaps it was later: that does not undo it."""

    name: ClassVar[str] = "aid.answer_missed"
    due_at: AwareDatetime
    late_s: float = Field(ge=0)


class UnitKept(Event):
    """From here on the unit is kept for the asker of this request, and for nobody else."""

    name: ClassVar[str] = "aid.unit_kept"
    unit_id: UUID
    aid_id: UUID


class UnitFreed(Event):
    """It is kept for the asker of this request no more."""

    name: ClassVar[str] = "aid.unit_freed"
    unit_id: UUID
    aid_id: UUID


STORY: tuple[type[Event], ...] = (
    AidRequested,
    AidAcknowledged,
    AidAccepted,
    AidDeclined,
    AidCommitted,
    AidReleased,
    AidWithdrawn,
    AidAnswerMissed,
)
"""All facts on a request's stream."""
EVENTS: tuple[type[Event], ...] = (*STORY, UnitKept, UnitFreed)
