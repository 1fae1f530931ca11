"""What may be asked about mutual aid. Whose center may ask it, the edge has checked; times are fields."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.aid.events import UNITS_MAX, AidRequested, LentUnit
from domain.event import Frozen

Text = Annotated[str, Field(min_length=1, max_length=2_000)]


class RequestAid(Frozen):
    """Ask another center."""

    aid: AidRequested
    at: AwareDatetime


class AcknowledgeAid(Frozen):
    """The asked center has read it."""


class AcceptAid(Frozen):
    """It will help."""

    note: Text | None = None
    at: AwareDatetime


class DeclineAid(Frozen):
    """It cannot."""

    reason: Text
    at: AwareDatetime


class CommitUnits(Frozen):
    """These units; more can follow."""

    units: Annotated[tuple[LentUnit, ...], Field(min_length=1, max_length=UNITS_MAX)]
    at: AwareDatetime


class ReleaseUnits(Frozen):
    """These units no more; none named: all of them. `center_id`: of the side that says so."""

    center_id: UUID
    unit_ids: Annotated[tuple[UUID, ...], Field(max_length=UNITS_MAX)] = ()
    note: Text | None = None


class WithdrawAid(Frozen):
    """Not needed any more."""

    reason: Text
    at: AwareDatetime


class RecordMissedAnswer(Frozen):
    """The timer saw that nobody answered by the asker's deadline."""

    noticed_at: AwareDatetime


AidCommand: TypeAlias = (
    RequestAid | AcknowledgeAid | AcceptAid | DeclineAid | CommitUnits | ReleaseUnits | WithdrawAid | RecordMissedAnswer
)
