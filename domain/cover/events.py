"""Facts about minimum cover, each rule of each city on a stream of its own (`domain.identifiers.cover_of`)."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from domain.event import Event, Explanation, GeoPoint
from domain.ownership import Ownership


class CoverFell(Event):
    """Fewer units are free than the rule `code` demands of a center."""

    name: ClassVar[str] = "cover.fell"
    code: str
    center: Ownership
    required: int = Field(ge=1)
    free: int = Field(ge=0)
    explanation: Explanation


class CoverRestored(Event):
    """There are enough again, or the rule is no more."""

    name: ClassVar[str] = "cover.restored"
    required: int = Field(ge=1)
    free: int = Field(ge=0)
    explanation: Explanation


class MoveSuggested(Event):
    """This unit should stand by for the center: its own can spare it, and of those it is the nearest."""

    name: ClassVar[str] = "cover.move_suggested"
    suggestion_id: UUID
    code: str
    center: Ownership
    unit_id: UUID
    call_sign: str = Field(max_length=50)
    giver: Ownership
    place: GeoPoint
    distance_m: float = Field(ge=0)
    explanation: Explanation


class MoveWithdrawn(Event):
    """It is not needed any more, or that unit cannot."""

    name: ClassVar[str] = "cover.move_withdrawn"
    suggestion_id: UUID
    unit_id: UUID
    explanation: Explanation


class MoveAccepted(Event):
    """Somebody let the unit move up: it is posted in the same decision."""

    name: ClassVar[str] = "cover.move_accepted"
    suggestion_id: UUID
    unit_id: UUID


class MoveDeclined(Event):
    """Somebody said that it shall not, and why. It is not suggested again before cover was restored."""

    name: ClassVar[str] = "cover.move_declined"
    suggestion_id: UUID
    unit_id: UUID
    reason: str = Field(min_length=1, max_length=2_000)


EVENTS: tuple[type[Event], ...] = (
    CoverFell,
    CoverRestored,
    MoveSuggested,
    MoveWithdrawn,
    MoveAccepted,
    MoveDeclined,
)
