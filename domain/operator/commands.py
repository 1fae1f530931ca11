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
    """Off duty."""

    note: str | None = Field(default=None, max_length=2_000)


OperatorCommand: TypeAlias = EnrollOperator | StartShift | EndShift
