"""Facts about what is needed at an incident: its alarm level, and which units would be sent.

The alarm's are on the decision stream, recommendations on the companion stream (see `domain.incident.events`).
"""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from domain.event import Candidate, Event, Explanation, Frozen, Reason
from domain.vocabulary import UnitKind


class WantedUnits(Frozen):
    """What the rules ask for in all, up to an alarm level. As in the rules, some kind is always named.

    `units` of an agency, of any of these kinds, each with all of these skills.
    """

    agency: str
    unit_kinds: Annotated[tuple[UnitKind, ...], Field(min_length=1)]
    skills: tuple[str, ...] = ()
    units: int = Field(ge=1)


class AlarmRaised(Event):
    """More is needed than was: the alarm level rose. `wanted` is what all levels up to it ask for together.

    A person says a `reason`; a rule that raised it because of the severity, or of a missed deadline, explains itself
    instead.
    """

    name: ClassVar[str] = "incident.alarm_raised"
    from_level: int = Field(ge=1)
    to_level: int = Field(ge=2)
    plan: str
    wanted: tuple[WantedUnits, ...]
    reason: str | None = Field(default=None, max_length=2_000)
    explanation: Explanation | None = None


class AlarmLowered(Event):
    """Somebody said that less is needed, and why. No unit is called back by this."""

    name: ClassVar[str] = "incident.alarm_lowered"
    from_level: int = Field(ge=2)
    to_level: int = Field(ge=1)
    plan: str | None = None
    wanted: tuple[WantedUnits, ...]
    reason: str = Field(max_length=2_000)


class UnitsRecommended(Event):
    """Which units would be sent and why, and what is missing. Companion stream.

    `wanted` is what the rules ask for at `alarm_level`, by the plan's code where there is one; `unfilled` how many of
    each no unit on the incident fills, which is what was looked for. Without `wanted` (facts from before there were
    plans) all that the category asked for was looked for.
    """

    name: ClassVar[str] = "incident.units_recommended"
    incident_id: UUID
    unit_ids: tuple[UUID, ...]
    shortfalls: tuple[Reason, ...]
    candidates: tuple[Candidate, ...]
    plan: str | None = None
    alarm_level: int = Field(default=1, ge=1)
    wanted: tuple[WantedUnits, ...] = ()
    unfilled: tuple[int, ...] = ()
    explanation: Explanation
