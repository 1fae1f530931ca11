"""What can be asked of centers and agencies."""

from __future__ import annotations

from datetime import date
from typing import TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.center.events import AgencyRegistered, Area, CenterEstablished
from domain.event import Frozen


class RegisterAgency(Frozen):
    """An organisation joins. Said again with the same content it changes nothing."""

    agency: AgencyRegistered


class EstablishCenter(Frozen):
    """A node joins the tree."""

    center: CenterEstablished


class CloseCenter(Frozen):
    """A node leaves the tree; its open work has been moved before."""

    valid_to: date
    reason: str = Field(min_length=1, max_length=2_000)
    open_incidents: int = Field(ge=0)
    open_cases: int = Field(default=0, ge=0)
    waiting_orders: int = Field(default=0, ge=0)
    open_aid: int = Field(default=0, ge=0)
    shifts: int = Field(default=0, ge=0)
    units: int = Field(default=0, ge=0)
    centers_below: int = Field(default=0, ge=0)
    effective_at: AwareDatetime | None = None


class ChangeGround(Frozen):
    """Give it another ground."""

    area: Area
    effective_at: AwareDatetime
    change_id: UUID
    is_correction: bool = False


class MoveCenter(Frozen):
    """Put it below another center; `path` is root first, itself last."""

    parent_id: UUID
    path: tuple[UUID, ...]
    effective_at: AwareDatetime
    change_id: UUID
    is_correction: bool = False


CenterCommand: TypeAlias = EstablishCenter | CloseCenter | ChangeGround | MoveCenter
