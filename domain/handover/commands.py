"""What may be asked of a hand-over. What is open, and who is on shift where, comes with the command."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

from pydantic import Field

from domain.event import Frozen
from domain.handover.events import OpenAid, OpenCase, OpenIncident, WaitingOrder
from domain.ownership import Ownership
from domain.vocabulary import ClaimsOnSigning

Text = Annotated[str, Field(min_length=1, max_length=2_000)]


class OpenItems(Frozen):
    """Everything open at a center, each list as it stood at the position beside it."""

    incidents: tuple[OpenIncident, ...] = ()
    incidents_position: int
    orders: tuple[WaitingOrder, ...] = ()
    orders_position: int
    cases: tuple[OpenCase, ...] = ()
    cases_position: int
    aid: tuple[OpenAid, ...] = ()
    aid_position: int | None = None

    @property
    def count(self) -> int:
        """How many, of whatever kind."""
        return len(self.incidents) + len(self.orders) + len(self.cases) + len(self.aid)


class OfferHandover(Frozen):
    """Name what is open, and who is to sign for it. `notes`: by the id of what is open."""

    center: Ownership
    giver_id: UUID
    giver_on_shift_at: UUID | None
    taker_id: UUID
    taker_center_id: UUID | None
    items: OpenItems
    notes: dict[UUID, Text] = Field(default_factory=dict)
    note: Text | None = None


class SignHandover(Frozen):
    """Take it. `claimed`: incidents of the center that the giver still has."""

    operator_id: UUID
    on_shift_at: UUID | None
    claims: ClaimsOnSigning
    claimed: tuple[UUID, ...] = ()


class DeclineHandover(Frozen):
    """Do not take it: by the one who was named, or by a supervisor of the center who calls it off."""

    operator_id: UUID
    is_supervisor: bool
    reason: Text


HandoverCommand: TypeAlias = OfferHandover | SignHandover | DeclineHandover
