"""What may be asked of an order. Times and ids are fields: nothing here looks at a clock or makes an id.

`center_id` of a decision is the center for which somebody decides; `center_ids` of an answer are the addressees for
which somebody answers.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Frozen
from domain.order.events import OrderArea, OrderContent
from domain.vocabulary import CenterKind, MessageStatus

Words = Annotated[str, Field(min_length=1, max_length=2_000)]
Text = Annotated[str, Field(min_length=1, max_length=4_000)]
Edition = Annotated[int, Field(ge=1)]


class IssueOrder(Frozen):
    """Command something. `incident_status` is that of the incident it is about, if it is about one."""

    order: OrderContent
    issuer_kind: CenterKind
    issued_at: AwareDatetime
    incident_status: MessageStatus | None = None


class AmendOrder(Frozen):
    """Replace text, area or times; what is None stays. `effective_at` only while it is not in force yet."""

    center_id: UUID
    amended_at: AwareDatetime
    reason: Words
    acknowledge_by: AwareDatetime
    text: Text | None = None
    area: OrderArea | None = None
    effective_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None


class ExtendOrder(Frozen):
    """Let it hold longer."""

    center_id: UUID
    extended_at: AwareDatetime
    expires_at: AwareDatetime
    reason: Words


class LiftOrder(Frozen):
    """End it before its time."""

    center_id: UUID
    lifted_at: AwareDatetime
    reason: Words


class AcknowledgeOrder(Frozen):
    """Addressees say: understood, we do it."""

    center_ids: tuple[UUID, ...]
    edition: Edition
    answered_at: AwareDatetime
    reference: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class DeclineOrder(Frozen):
    """Addressees say that they cannot do it."""

    center_ids: tuple[UUID, ...]
    edition: Edition
    answered_at: AwareDatetime
    reason: Words


class RecordMissedAnswers(Frozen):
    """The timer saw that the deadline of an edition has passed. Everybody in time is nothing."""

    edition: Edition
    noticed_at: AwareDatetime


class ExpireOrder(Frozen):
    """The timer saw that the order's time is over."""

    noticed_at: AwareDatetime


OrderAnswerCommand: TypeAlias = AcknowledgeOrder | DeclineOrder
OrderDecision: TypeAlias = AmendOrder | ExtendOrder | LiftOrder
OrderTimerCommand: TypeAlias = RecordMissedAnswers | ExpireOrder
OrderCommand: TypeAlias = IssueOrder | OrderDecision | OrderAnswerCommand | OrderTimerCommand
