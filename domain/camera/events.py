"""Facts about sites and cameras.

How a camera is has two tellers, machines and people, and neither talks over the other: a gateway that says `online`
each minute does not wipe away what a maintainer found. `effective` is the worse of the two, and `number` counts its
changes, so that whoever tells an outage from the next one needs no other fact.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.camera.vocabulary import ArmingCause, ConditionSource
from domain.event import Event, Frozen, GeoPoint
from domain.vocabulary import CameraHealth, SiteClass


class SiteBuilt(Event):
    """A pole, a roof, a junction: where cameras hang. `phase` is the building phase (`2006`, `2007`, `2009-10`, …)."""

    name: ClassVar[str] = "site.built"
    city: str
    code: str = Field(max_length=40)
    site_class: SiteClass
    location: GeoPoint
    address: str | None = Field(default=None, max_length=500)
    owner: str = Field(max_length=100)
    operator: str = Field(max_length=100)
    maintainer: str = Field(max_length=100)
    phase: str = Field(max_length=20)
    built_on: date
    station_id: UUID | None = None
    path: tuple[UUID, ...] = ()


class CameraInstalled(Event):
    """One of the city's own cameras. `code` is its 20-digit GB/T 28181 id; `aliases` are ids that gateways use."""

    name: ClassVar[str] = "camera.installed"
    city: str
    code: str = Field(max_length=100)
    site_id: UUID
    label: str = Field(max_length=200)
    location: GeoPoint
    bearing_deg: float | None = Field(default=None, ge=0, lt=360)
    range_m: float | None = Field(default=None, gt=0, le=5_000)
    gateway: str | None = Field(default=None, max_length=200)
    aliases: tuple[str, ...] = ()
    station_id: UUID | None = None
    path: tuple[UUID, ...] = ()


class CameraAttached(Event):
    """A social camera may be used, with who approved it, why and until when."""

    name: ClassVar[str] = "camera.attached"
    city: str
    code: str = Field(max_length=100)
    label: str = Field(max_length=200)
    location: GeoPoint
    owner: str = Field(max_length=100)
    approved_by: str = Field(max_length=200)
    reason: str = Field(max_length=2_000)
    expires_at: AwareDatetime | None = None
    station_id: UUID | None = None
    path: tuple[UUID, ...] = ()


class CameraDetached(Event):
    """It may not be used any more."""

    name: ClassVar[str] = "camera.detached"
    reason: str = Field(max_length=2_000)


class CameraExpired(Event):
    """What it was attached until has passed: it may not be used any more. Noticed `late_s` after it was due."""

    name: ClassVar[str] = "camera.expired"
    due_at: AwareDatetime
    late_s: float = Field(ge=0)


class ToldTrouble(Frozen):
    """A device's own word for what is wrong with its picture (`hikvision:videoloss`), and when it was so by its clock.

    `is_lasting`: the device says its end too. Of one that has none, a later word of the gateway is the end.
    """

    word: str = Field(min_length=1, max_length=200)
    told_at: AwareDatetime
    is_lasting: bool = True


class CameraHealthChanged(Event):
    """Another word on whether it sees. `health` is what this source says; of a device, by this `trouble` alone."""

    name: ClassVar[str] = "camera.health_changed"
    health: CameraHealth
    source: ConditionSource
    reason: str | None = Field(default=None, max_length=500)
    effective: CameraHealth
    number: int = Field(ge=0)
    trouble: ToldTrouble | None = None


class CameraArmingChanged(Event):
    """Its alarms were turned on or off, on the device or by a word of people. `armed` is what this source says."""

    name: ClassVar[str] = "camera.arming_changed"
    armed: bool
    source: ConditionSource
    cause: ArmingCause
    reason: str | None = Field(default=None, max_length=500)
    effective: bool
    number: int = Field(ge=0)


EVENTS: tuple[type[Event], ...] = (
    SiteBuilt,
    CameraInstalled,
    CameraAttached,
    CameraDetached,
    CameraExpired,
    CameraHealthChanged,
    CameraArmingChanged,
)
