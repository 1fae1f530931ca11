"""What a directory holds of each center, agency, site, camera, operator and unit."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from domain.center.events import Ring
from domain.event import GeoPoint, Personal
from domain.ownership import Ownership
from domain.rulebook.content import Rulebook
from domain.vocabulary import CenterKind, Role, SiteClass, UnitKind


@dataclass(frozen=True, slots=True)
class CenterEntry:
    """A node of the tree, or a lateral one."""

    id: UUID
    code: str
    name_zh: str
    name_en: str
    kind: CenterKind
    level: int
    parent_id: UUID | None
    path: tuple[UUID, ...]
    agency: str | None
    location: GeoPoint
    area: tuple[tuple[Ring, ...], ...] = field(repr=False)
    division_code: str | None = None
    closed: bool = False

    @property
    def ownership(self) -> Ownership:
        """This center as an owner."""
        return Ownership(center_id=self.id, path=self.path)


@dataclass(frozen=True, slots=True)
class AgencyEntry:
    """An organisation that acts."""

    code: str
    name_zh: str
    name_en: str
    has_feed: bool
    feed_fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SiteEntry:
    """Where cameras hang."""

    id: UUID
    code: str
    site_class: SiteClass
    location: GeoPoint
    address: str | None
    owner: str
    phase: str


@dataclass(frozen=True, slots=True)
class CameraEntry:
    """One camera, own or attached. `site_id` and `site_class` are None for attached social cameras."""

    id: UUID
    code: str
    label: str
    location: GeoPoint
    gateway: str | None
    aliases: tuple[str, ...]
    station_id: UUID | None
    path: tuple[UUID, ...]
    site_id: UUID | None = None
    site_class: SiteClass | None = None
    attached: bool = False


@dataclass(frozen=True, slots=True)
class OperatorEntry:
    """A person who may act."""

    id: UUID
    login: str
    roles: tuple[Role, ...]
    center_id: UUID
    agency: str | None
    full_name: Personal | None


@dataclass(frozen=True, slots=True)
class UnitEntry:
    """A unit as registered; its status is another matter."""

    id: UUID
    call_sign: str
    agency: str
    base: Ownership
    kind: UnitKind
    skills: tuple[str, ...]
    home: GeoPoint


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a directory has folded, as plain values in the order in which they came: what a baseline is made of."""

    centers: tuple[CenterEntry, ...]
    agencies: tuple[AgencyEntry, ...]
    sites: tuple[SiteEntry, ...]
    cameras: tuple[CameraEntry, ...]
    operators: tuple[OperatorEntry, ...]
    units: tuple[UnitEntry, ...]
    rulebooks: tuple[Rulebook, ...]
    active_rulebook_versions: tuple[int, ...]
    """One, or none yet."""
    center_codes: tuple[tuple[str, UUID], ...]
    camera_codes: tuple[tuple[str, UUID], ...]
    camera_aliases: tuple[tuple[str, str, UUID], ...]
    """Gateway, its own id of the camera, ours."""
