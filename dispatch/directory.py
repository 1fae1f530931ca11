"""The slow-moving things everybody needs at hand: centers, agencies, cameras, operators, units, rulebooks.

Folded from the log into memory by each process, which tails it; so a process that has seen position N decides with
the tree of position N, and no request reads the database to learn where a camera hangs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from uuid import UUID

from dispatch.directory_entries import (
    AgencyEntry,
    CameraEntry,
    CenterEntry,
    Contents,
    OperatorEntry,
    SiteEntry,
    UnitEntry,
)
from dispatch.handling.scribe import as_fact
from dispatch.jurisdiction import Jurisdiction
from dispatch.ports import EventLog, RecordedEvent
from domain.assignment.events import UnitRegistered
from domain.camera.events import CameraAttached, CameraDetached, CameraInstalled, SiteBuilt
from domain.center.events import AgencyRegistered, CenterClosed, CenterEstablished
from domain.codec import Undecodable
from domain.event import Event, Fact, GeoPoint
from domain.operator.events import OperatorEnrolled
from domain.policies.routing import Node
from domain.refusals import Unavailable
from domain.rulebook.content import Rulebook
from domain.rulebook.events import RulebookActivated, RulebookPublished
from domain.vocabulary import CenterKind

logger = logging.getLogger(__name__)

PAGE_EVENTS = 5_000
LOCATED_MAX = 50_000
"""Points whose centers are remembered: every camera's, for most alerts say no other."""
TOPICS = tuple(
    event.name
    for event in (
        AgencyRegistered,
        CenterEstablished,
        CenterClosed,
        SiteBuilt,
        CameraInstalled,
        CameraAttached,
        CameraDetached,
        OperatorEnrolled,
        UnitRegistered,
        RulebookPublished,
        RulebookActivated,
    )
)
"""Event names the directory folds."""


class Directory:
    """In-memory view of the city. Reads are synchronous and never touch the database; `catch_up` does."""

    def __init__(self, log: EventLog, city: str) -> None:
        self.city = city
        self.position = 0
        self.last_fact: RecordedEvent | None = None
        """The last fact that was for a directory; all up to `position` were looked at."""
        self.epoch: UUID | None = None
        """Of the log when it was first read."""
        self.centers: dict[UUID, CenterEntry] = {}
        self.agencies: dict[str, AgencyEntry] = {}
        self.sites: dict[UUID, SiteEntry] = {}
        self.cameras: dict[UUID, CameraEntry] = {}
        self.operators: dict[UUID, OperatorEntry] = {}
        self.units: dict[UUID, UnitEntry] = {}
        self.rulebooks: dict[int, Rulebook] = {}
        self.active_rulebook_version: int | None = None
        self._log = log
        self._turn = asyncio.Lock()
        self._center_codes: dict[str, UUID] = {}
        self._camera_codes: dict[str, UUID] = {}
        self._camera_aliases: dict[tuple[str, str], UUID] = {}
        self._jurisdiction: Jurisdiction | None = None
        self._lateral: dict[str, CenterEntry] | None = None
        """By agency; None after a center came or went."""
        self._nodes: dict[UUID, Node] = {}
        self._located: dict[GeoPoint, tuple[CenterEntry, ...]] = {}

    async def catch_up(self, *, up_to_position: int | None = None) -> int:
        """Fold everything up to the log's tip, or no farther than a position; the position reached.

        Many tasks share one directory: they take turns, or one that read an older page would take a newer fact back.
        """
        async with self._turn:
            target = up_to_position
            if target is None or self.epoch is None:
                tip = await self._log.tip()
                self.epoch = self.epoch or tip.epoch
                target = tip.position if target is None else target
            while self.position < target:
                page = await self._log.read_after(
                    self.position, limit=PAGE_EVENTS, up_to_position=target, topics=list(TOPICS)
                )
                for row in page:
                    self._apply_readable(row)
                    self.last_fact = row
                self.position = page[-1].position if len(page) == PAGE_EVENTS else target
            return self.position

    async def reach(self, position: int) -> None:
        """Know at least everything up to a position: no look at the log where that is so already."""
        if self.position < position:
            await self.catch_up(up_to_position=position)

    def contents(self) -> Contents:
        """Everything folded by now."""
        active = self.active_rulebook_version
        return Contents(
            centers=tuple(self.centers.values()),
            agencies=tuple(self.agencies.values()),
            sites=tuple(self.sites.values()),
            cameras=tuple(self.cameras.values()),
            operators=tuple(self.operators.values()),
            units=tuple(self.units.values()),
            rulebooks=tuple(self.rulebooks.values()),
            active_rulebook_versions=() if active is None else (active,),
            center_codes=tuple(self._center_codes.items()),
            camera_codes=tuple(self._camera_codes.items()),
            camera_aliases=tuple((gateway, alias, camera) for (gateway, alias), camera in self._camera_aliases.items()),
        )

    async def begin(self, contents: Contents, last_fact: RecordedEvent, position: int, epoch: UUID) -> None:
        """Start from contents that were folded up to a position; nothing happens if something was folded already."""
        async with self._turn:
            if self.position == 0:
                self._take(contents)
                self.position, self.last_fact, self.epoch = position, last_fact, epoch

    def _take(self, contents: Contents) -> None:
        self._lateral = None
        self.centers = {entry.id: entry for entry in contents.centers}
        self.agencies = {entry.code: entry for entry in contents.agencies}
        self.sites = {entry.id: entry for entry in contents.sites}
        self.cameras = {entry.id: entry for entry in contents.cameras}
        self.operators = {entry.id: entry for entry in contents.operators}
        self.units = {entry.id: entry for entry in contents.units}
        self.rulebooks = {rulebook.version: rulebook for rulebook in contents.rulebooks}
        self.active_rulebook_version = next(iter(contents.active_rulebook_versions), None)
        self._center_codes = dict(contents.center_codes)
        self._camera_codes = dict(contents.camera_codes)
        self._camera_aliases = {(gateway, alias): camera for gateway, alias, camera in contents.camera_aliases}

    def _apply_readable(self, row: RecordedEvent) -> None:
        """A fact that nobody can read must not keep everybody from all the others."""
        try:
            self.apply(as_fact(row))
        except Undecodable:
            logger.exception("unreadable fact", extra={"position": row.position, "topic": row.topic})

    def apply(self, fact: Fact[Event]) -> None:
        """Fold one fact; all others are ignored."""
        match fact.event:
            case CenterEstablished() | CenterClosed():
                self._apply_center(fact.stream_id, fact.event)
            case AgencyRegistered() as event:
                self.agencies[event.code] = AgencyEntry(
                    event.code, event.name_zh, event.name_en, event.has_feed, event.feed_fields
                )
            case SiteBuilt() as event:
                self.sites[fact.stream_id] = SiteEntry(
                    fact.stream_id,
                    event.code,
                    event.site_class,
                    event.location,
                    event.address,
                    event.owner,
                    event.phase,
                )
            case CameraInstalled() | CameraAttached() | CameraDetached():
                self._apply_camera(fact.stream_id, fact.event)
            case OperatorEnrolled() as event:
                self.operators[fact.stream_id] = OperatorEntry(
                    fact.stream_id, event.login, event.roles, event.center_id, event.agency, event.full_name
                )
            case UnitRegistered() as event:
                self.units[fact.stream_id] = UnitEntry(
                    fact.stream_id, event.call_sign, event.agency, event.base, event.kind, event.skills, event.home
                )
            case RulebookPublished(rulebook=rulebook):
                self.rulebooks[rulebook.version] = rulebook
            case RulebookActivated(version=version):
                self.active_rulebook_version = version
            case _:
                pass

    def _apply_center(self, center_id: UUID, event: CenterEstablished | CenterClosed) -> None:
        self._jurisdiction = self._lateral = None
        self._located.clear()
        self._nodes.clear()
        if isinstance(event, CenterClosed):
            self.centers.pop(center_id, None)
            return
        self.centers[center_id] = CenterEntry(
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
        self._center_codes[event.code] = center_id

    def _apply_camera(self, camera_id: UUID, event: CameraInstalled | CameraAttached | CameraDetached) -> None:
        if isinstance(event, CameraDetached):
            self.cameras.pop(camera_id, None)
            return
        installed = event if isinstance(event, CameraInstalled) else None
        site = self.sites.get(installed.site_id) if installed else None
        entry = CameraEntry(
            id=camera_id,
            code=event.code,
            label=event.label,
            location=event.location,
            gateway=installed.gateway if installed else None,
            aliases=installed.aliases if installed else (),
            station_id=event.station_id,
            path=event.path,
            site_id=site.id if site else None,
            site_class=site.site_class if site else None,
            attached=installed is None,
        )
        self.cameras[camera_id] = entry
        self._camera_codes[entry.code] = camera_id
        if entry.gateway is not None:
            for alias in entry.aliases:
                self._camera_aliases[entry.gateway, alias] = camera_id

    def center(self, center_id: UUID) -> CenterEntry | None:
        """A center in being."""
        return self.centers.get(center_id)

    def center_by_code(self, code: str) -> CenterEntry | None:
        """A center by its permanent code."""
        return self.centers.get(self._center_codes.get(code, UUID(int=0)))

    def functional_center(self, agency: str) -> CenterEntry | None:
        """The lateral center of an agency; the one with the smallest code if there were several."""
        if self._lateral is None:
            ordered = sorted(self.centers.values(), key=lambda center: center.code, reverse=True)
            self._lateral = {
                center.agency: center
                for center in ordered
                if center.kind is CenterKind.FUNCTIONAL and center.agency is not None
            }
        return self._lateral.get(agency)

    def agency(self, code: str) -> AgencyEntry | None:
        """An agency by its code."""
        return self.agencies.get(code)

    def camera(self, reference: str, *, gateway: str | None = None) -> CameraEntry | None:
        """A camera by its code, or by the id its own gateway uses for it."""
        found = self._camera_codes.get(reference)
        if found is None and gateway is not None:
            found = self._camera_aliases.get((gateway, reference))
        return self.cameras.get(found) if found is not None else None

    def camera_by_id(self, camera_id: UUID) -> CameraEntry | None:
        """A camera by id."""
        return self.cameras.get(camera_id)

    def operator(self, operator_id: UUID) -> OperatorEntry | None:
        """An operator by id."""
        return self.operators.get(operator_id)

    def unit(self, unit_id: UUID) -> UnitEntry | None:
        """A unit's registration by id."""
        return self.units.get(unit_id)

    def rulebook(self, version: int | None = None) -> Rulebook:
        """The active rulebook, or that version. Raises `Unavailable` if there is none."""
        wanted = version if version is not None else self.active_rulebook_version
        found = self.rulebooks.get(wanted) if wanted is not None else None
        if found is None:
            raise Unavailable("rulebook.none", "The city has no such rulebook yet. Load the city or publish one.")
        return found

    def root(self) -> CenterEntry:
        """The city center. Raises `Unavailable` before the city is loaded."""
        for center in self.centers.values():
            if center.kind is CenterKind.CITY:
                return center
        raise Unavailable("city.not_loaded", "The city has no centers yet. Run `dispatch up` or load the city first.")

    def locate(self, point: GeoPoint) -> tuple[CenterEntry, ...]:
        """Centers whose ground the point is on, root first; () outside the city."""
        found = self._located.get(point)
        if found is None:
            if self._jurisdiction is None:
                self._jurisdiction = Jurisdiction(self.centers.values())
            found = tuple(self.centers[center_id] for center_id in self._jurisdiction.locate(point))
            if len(self._located) >= LOCATED_MAX:
                self._located.clear()
            self._located[point] = found
        return found

    def node(self, center: CenterEntry) -> Node:
        """A center of this tree as routing reads it."""
        found = self._nodes.get(center.id)
        if found is None:
            found = self._nodes[center.id] = Node(center.id, center.level, center.path, center.agency)
        return found

    def descendants(self, center_id: UUID) -> Mapping[UUID, CenterEntry]:
        """The center and everything below it."""
        return {center.id: center for center in self.centers.values() if center_id in center.path}
