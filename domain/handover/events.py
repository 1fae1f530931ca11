"""Facts about a hand-over of a shift. The open items are copied as they stood at a position of the log: what was signed
for can be read years later, whatever became of the items since.
"""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Event, Frozen
from domain.vocabulary import CasePart, CasePhase, ClaimsOnSigning, IncidentPhase, OrderKind, Severity

ITEMS_MAX = 2_000
"""Of each kind: more than a district has open on its worst night."""
Note = Field(default=None, max_length=2_000)


class OpenIncident(Frozen):
    """An incident that the center owns and that has not ended."""

    incident_id: UUID
    number: str
    category: str
    severity: Severity
    priority: int = Field(ge=0, le=10)
    phase: IncidentPhase
    is_exercise: bool = False
    claimed_by: UUID | None = None
    note: str | None = Note


class WaitingOrder(Frozen):
    """An order whose present edition the center has not acknowledged."""

    order_id: UUID
    number: str
    kind: OrderKind
    edition: int = Field(ge=1)
    acknowledge_by: AwareDatetime
    note: str | None = Note


class OpenCase(Frozen):
    """A case in which the center has a part; of an incident that the center may not know of, without id and number."""

    case_id: UUID
    incident_id: UUID | None = None
    incident_number: str | None = None
    class_code: str
    phase: CasePhase
    part: CasePart
    note: str | None = Note


class OpenAid(Frozen):
    """A request for aid that is not over: `asked` owes an answer or keeps units, `asker` waits or has them on loan."""

    aid_id: UUID
    side: Literal["asker", "asked"]
    other_center_id: UUID
    phase: str = Field(max_length=40)
    reason: str = Field(max_length=2_000)
    answer_by: AwareDatetime
    ends_at: AwareDatetime
    note: str | None = Note


class HandoverOffered(Event):
    """All that is open at the center, for the one who is named to sign. Each list is whole at its position."""

    name: ClassVar[str] = "handover.offered"
    center_id: UUID
    path: tuple[UUID, ...]
    giver_id: UUID
    taker_id: UUID
    incidents: tuple[OpenIncident, ...] = Field(default=(), max_length=ITEMS_MAX)
    incidents_position: int
    orders: tuple[WaitingOrder, ...] = Field(default=(), max_length=ITEMS_MAX)
    orders_position: int
    cases: tuple[OpenCase, ...] = Field(default=(), max_length=ITEMS_MAX)
    cases_position: int
    aid: tuple[OpenAid, ...] = Field(default=(), max_length=ITEMS_MAX)
    aid_position: int | None = None
    """None: offered before promises were listed."""
    note: str | None = Note


class HandoverSigned(Event):
    """The one who was named has it from here on. `incident_ids`: of which the giver's claims were released."""

    name: ClassVar[str] = "handover.signed"
    operator_id: UUID
    claims: ClaimsOnSigning
    incident_ids: tuple[UUID, ...] = ()


class HandoverDeclined(Event):
    """It was not taken, and why; the giver offers it anew, or to somebody else."""

    name: ClassVar[str] = "handover.declined"
    operator_id: UUID
    reason: str = Field(min_length=1, max_length=2_000)


EVENTS: tuple[type[Event], ...] = (HandoverOffered, HandoverSigned, HandoverDeclined)
