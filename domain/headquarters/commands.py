"""What may be asked of a temporary headquarters. Times, ids and whom it commands are fields."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Frozen
from domain.headquarters.events import HeadquartersOpened, Returned, Scope
from domain.ownership import Ownership

Words = Annotated[str, Field(min_length=1, max_length=2_000)]


class OpenHeadquarters(Frozen):
    """Form it."""

    headquarters: HeadquartersOpened
    opened_at: AwareDatetime


class ChangeHeadquarters(Frozen):
    """Let it command others, or let others act for it."""

    scope: Scope
    commander_id: UUID
    deputy_ids: tuple[UUID, ...] = ()
    reason: Words


class ExtendHeadquarters(Frozen):
    """Let it last longer."""

    extended_at: AwareDatetime
    ends_at: AwareDatetime
    reason: Words


class TakeIncident(Frozen):
    """Take over an incident of a center that it commands. `owner` has it now."""

    incident_id: UUID
    number: str
    owner: Ownership
    reason: Words


class GiveIncidentBack(Frozen):
    """Let one go, to the one who is named."""

    returned: Returned
    reason: Words


class StandDown(Frozen):
    """End it. `returned`: all that it owns at this moment, each with who gets it.

    `open_cases`, `open_aid`, `on_shift`: what only a decision of its own ends.
    """

    reason: Words
    returned: tuple[Returned, ...] = ()
    open_cases: int = Field(default=0, ge=0)
    open_aid: int = Field(default=0, ge=0)
    on_shift: int = Field(default=0, ge=0)


class ExpireHeadquarters(Frozen):
    """The timer saw that its time is over. `returned` as for standing down."""

    noticed_at: AwareDatetime
    returned: tuple[Returned, ...] = ()


HeadquartersCommand: TypeAlias = (
    OpenHeadquarters
    | ChangeHeadquarters
    | ExtendHeadquarters
    | TakeIncident
    | GiveIncidentBack
    | StandDown
    | ExpireHeadquarters
)
