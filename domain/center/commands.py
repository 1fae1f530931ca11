"""What can be asked of centers and agencies."""

from __future__ import annotations

from datetime import date
from typing import TypeAlias

from pydantic import Field

from domain.center.events import AgencyRegistered, CenterEstablished
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


CenterCommand: TypeAlias = EstablishCenter | CloseCenter
