"""What a directory holds of each center, agency, site, camera, operator and unit."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.camera.condition import Condition
from domain.center.events import CenterEstablished, Ring, TreeChangeScheduled
from domain.event import GeoPoint, Personal
from domain.operation.events import LabelsSet
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

    @classmethod
    def of(cls, center_id: UUID, event: CenterEstablished) -> CenterEntry:
        """The center as it was established."""
        return cls(
            id=center_id,
            code=event.code,
            name_zh=event.name_zh,
            name_en=event.name_en,
            kind=event.kind,
            level=event.level,
            parent_id=event.parent_id,
            path=event.path,
            agency=event.agency,
            location=event.location,
            area=event.area,
            division_code=event.division_code,
        )

    @property
    def ownership(self) -> Ownership:
        """This center as an owner."""
        return Ownership(center_id=self.id, path=self.path)


@dataclass(frozen=True, slots=True)
class HeadquartersEntry:
    """A temporary headquarters; its place in the tree is the center `center_id`."""

    id: UUID
    center_id: UUID
    code: str
    centers: tuple[UUID, ...]
    """That it commands, each with all below it."""
    staff: tuple[UUID, ...]
    """Operators who act for it, the commander first."""
    ends_at: datetime
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class TreeChangeEntry:
    """A change of the tree. `state`: scheduled, applied, refused or called_off; `refused`: why it could not be."""

    id: UUID
    change: TreeChangeScheduled = field(repr=False)
    state: str
    refused: str | None = None


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
    expires_at: datetime | None = None

    def is_of(self, gateway: str | None) -> bool:
        """Whether this gateway may say anything of it: it is its own, or nobody's. None: who speaks is no gateway."""
        return gateway is None or self.gateway in {None, gateway}


@dataclass(frozen=True, slots=True)
class GatewayEntry:
    """A gateway that promises signs of life. `since`: when it promised or was heard again; if silent, last heard."""

    id: UUID
    name: str
    silent_after_s: int
    since: datetime
    is_silent: bool = False


@dataclass(frozen=True, slots=True)
class OperatorEntry:
    """A person who may act."""

    id: UUID
    login: str
    roles: tuple[Role, ...]
    center_id: UUID
    agency: str | None
    full_name: Personal | None
    on_shift_at: UUID | None = None


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
    former: tuple[CenterEntry, ...]
    """Centers that were closed."""
    headquarters: tuple[HeadquartersEntry, ...]
    changes: tuple[TreeChangeEntry, ...]
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
    conditions: tuple[tuple[UUID, Condition], ...]
    """Of cameras of which anything was ever wrong."""
    gateways: tuple[GatewayEntry, ...]
    labels: tuple[tuple[UUID, LabelsSet], ...]
