"""What can be asked of operators."""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

from pydantic import Field

from domain.event import Frozen
from domain.operator.events import OperatorEnrolled


class EnrollOperator(Frozen):
    """May log in from now on, or with other roles or at another center than before."""

    operator: OperatorEnrolled


class StartShift(Frozen):
    """On duty."""

    center_id: UUID


class EndShift(Frozen):
    """Off duty. `demands_handover`: the rules of the center ask for a signed hand-over while something is open.

    `without_handover` is a supervisor's reason why this shift ends without one.
    """

    open_items: int | None = Field(default=None, ge=0)
    demands_handover: bool = False
    handover_id: UUID | None = None
    without_handover: str | None = Field(default=None, min_length=1, max_length=2_000)
    note: str | None = Field(default=None, max_length=2_000)


OperatorCommand: TypeAlias = EnrollOperator | StartShift | EndShift
