"""The slow-moving things everybody needs at hand: centers, agencies, cameras, operators, units, rulebooks.

Folded from the log into memory by each process, which tails it; so a process that has seen position N decides with
the tree of position N, and no request reads the database to learn where a camera hangs.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from uuid import UUID

from dispatch.directory_entries import (
    AgencyEntry,
    CameraEntry,
    Contents,
    GatewayEntry,
    OperatorEntry,
    SiteEntry,
    UnitEntry,
)
from dispatch.directory_tree import TREE_EVENTS, Tree
from dispatch.handling.scribe import as_fact
from dispatch.ports import EventLog, RecordedEvent
from domain.assignment.events import UnitRegistered
from domain.camera.condition import NOTHING_WRONG, Condition
from domain.camera.events import (
    CameraArmingChanged,
    CameraAttached,
    CameraDetached,
    CameraExpired,
    CameraHealthChanged,
    CameraInstalled,
    SiteBuilt,
)
from domain.center.events import AgencyRegistered, CenterMoved
from domain.codec import Undecodable
from domain.event import Event, Fact
from domain.gateway.events import GatewayFellSilent, GatewayHeardAgain, GatewayPromised, GatewayPromiseWithdrawn
from domain.operation.events import LabelsSet, OperationEnded
from domain.operator.events import OperatorEnrolled, ShiftEnded, ShiftStarted
from domain.ownership import Ownership
from domain.refusals import Unavailable
from domain.rulebook.content import Rulebook
from domain.rulebook.events import RulebookActivated, RulebookPublished

logger = logging.getLogger(__name__)

PAGE_EVENTS = 500
"""A page is folded without a pause: 5,000 held an API process's requests for some 100 ms after many cameras came."""
FOLDED: tuple[type[Event], ...] = (
    AgencyRegistered,
    *TREE_EVENTS,
    SiteBuilt,
    CameraInstalled,
    CameraAttached,
    CameraDetached,
    CameraExpired,
    CameraHealthChanged,
    CameraArmingChanged,
    GatewayPromised,
    GatewayPromiseWithdrawn,
    GatewayFellSilent,
    GatewayHeardAgain,
    OperatorEnrolled,
    ShiftStarted,
    ShiftEnded,
    UnitRegistered,
    RulebookPublished,
    RulebookActivated,
    LabelsSet,
    OperationEnded,
)
TOPICS = tuple(event.name for event in FOLDED)
"""Event names the directory folds."""


class Directory(Tree):
    """In-memory view of the city. Reads are synchronous and never touch the database; `catch_up` does."""

    def __init__(self, log: EventLog, city: str) -> None:
        super().__init__()
        self.city = city
        self.position = 0
        self.last_fact: RecordedEvent | None = None
        """The last fact that was for a directory; all up to `position` were looked at."""
        self.epoch: UUID | None = None
        """Of the log when it was first read."""
        self.agencies: dict[str, AgencyEntry] = {}
        self.sites: dict[UUID, SiteEntry] = {}
        self.cameras: dict[UUID, CameraEntry] = {}
        self.conditions: dict[UUID, Condition] = {}
        """Of cameras of which anything was ever wrong: few, of 150,000."""
        self.gateways: dict[UUID, GatewayEntry] = {}
        """Those that promise signs of life."""
        self.labels: dict[UUID, LabelsSet] = {}
        """By operation: which incidents are its from their first moment."""
        self.operators: dict[UUID, OperatorEntry] = {}
        self.units: dict[UUID, UnitEntry] = {}
        self.rulebooks: dict[int, Rulebook] = {}
        self.active_rulebook_version: int | None = None
        self._log = log
        self._turn = asyncio.Lock()
        self._moved: dict[UUID, tuple[UUID, ...]] = {}
        """Centers that moved, with their new paths, as long as what is based there has not followed."""
        self._camera_codes: dict[str, UUID] = {}
        self._camera_aliases: dict[tuple[str, str], UUID] = {}

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
                try:
                    for row in page:
                        self._apply_readable(row)
                        self.last_fact = row
                finally:
                    self._follow()
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
            former=tuple(self.former.values()),
            headquarters=tuple(self.headquarters.values()),
            changes=tuple(self.changes.values()),
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
            conditions=tuple(self.conditions.items()),
            gateways=tuple(self.gateways.values()),
            labels=tuple(self.labels.items()),
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
        self.former = {entry.id: entry for entry in contents.former}
        self.headquarters = {entry.center_id: entry for entry in contents.headquarters}
        self.changes = {entry.id: entry for entry in contents.changes}
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
        self.conditions = dict(contents.conditions)
        self.gateways = {entry.id: entry for entry in contents.gateways}
        self.labels = dict(contents.labels)

    def _apply_readable(self, row: RecordedEvent) -> None:
        """A fact that nobody can read must not keep everybody from all the others."""
        try:
            self._apply(as_fact(row))
        except Undecodable:
            logger.exception("unreadable fact", extra={"position": row.position, "topic": row.topic})

    def apply(self, fact: Fact[Event]) -> None:
        """Fold one fact; all others are ignored."""
        self._apply(fact)
        self._follow()

    def _apply(self, fact: Fact[Event]) -> None:
        """Fold one fact, but for what follows a center that moved."""
        if isinstance(fact.event, TREE_EVENTS):
            self.apply_to_tree(fact.stream_id, fact.event)
            if isinstance(fact.event, CenterMoved):
                self._moved[fact.stream_id] = fact.event.path
            return
        self._follow()
        match fact.event:
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
            case CameraInstalled() | CameraAttached() | CameraDetached() | CameraExpired():
                self._apply_camera(fact.stream_id, fact.event)
            case CameraHealthChanged() | CameraArmingChanged() as event:
                self.conditions[fact.stream_id] = self.condition(fact.stream_id).after(event)
            case GatewayPromised() | GatewayPromiseWithdrawn() | GatewayFellSilent() | GatewayHeardAgain():
                self._apply_gateway(fact)
            case OperatorEnrolled() | ShiftStarted() | ShiftEnded() as event:
                self._apply_operator(fact.stream_id, event)
            case UnitRegistered() as event:
                self.units[fact.stream_id] = UnitEntry(
                    fact.stream_id, event.call_sign, event.agency, event.base, event.kind, event.skills, event.home
                )
            case LabelsSet() | OperationEnded() as event:
                self._apply_labels(fact.stream_id, event)
            case RulebookPublished() | RulebookActivated() as event:
                self._apply_rules(event)
            case _:
                pass

    def _apply_rules(self, event: RulebookPublished | RulebookActivated) -> None:
        if isinstance(event, RulebookPublished):
            self.rulebooks[event.rulebook.version] = event.rulebook
        else:
            self.active_rulebook_version = event.version

    def _apply_labels(self, operation_id: UUID, event: LabelsSet | OperationEnded) -> None:
        self.labels.pop(operation_id, None)
        if isinstance(event, LabelsSet) and event.says_something:
            self.labels[operation_id] = event

    def _apply_operator(self, operator_id: UUID, event: OperatorEnrolled | ShiftStarted | ShiftEnded) -> None:
        before = self.operators.get(operator_id)
        if isinstance(event, OperatorEnrolled):
            self.operators[operator_id] = OperatorEntry(
                operator_id,
                event.login,
                event.roles,
                event.center_id,
                event.agency,
                event.full_name,
                before.on_shift_at if before is not None else None,
            )
        elif before is not None:
            at = event.center_id if isinstance(event, ShiftStarted) else None
            self.operators[operator_id] = replace(before, on_shift_at=at)

    def _apply_gateway(self, fact: Fact[Event]) -> None:
        event, before = fact.event, self.gateways.get(fact.stream_id)
        if isinstance(event, GatewayPromised):
            is_silent = before is not None and before.is_silent
            entry = GatewayEntry(fact.stream_id, event.gateway, event.silent_after_s, fact.occurred_at, is_silent)
            self.gateways[fact.stream_id] = entry
        elif isinstance(event, GatewayPromiseWithdrawn):
            self.gateways.pop(fact.stream_id, None)
        elif before is not None and isinstance(event, GatewayFellSilent):
            self.gateways[fact.stream_id] = replace(before, is_silent=True, since=event.last_heard_at)
        elif before is not None and isinstance(event, GatewayHeardAgain):
            self.gateways[fact.stream_id] = replace(before, is_silent=False, since=event.heard_at)

    def _follow(self) -> None:
        """What is based at a center that moved is below its new parents: units, and cameras of a station.

        A change of the tree moves a hundred centers in a row, and there are 150,000 cameras: all are looked through
        once for a row, before any other fact, so that it does not matter where a page of the log ends.
        """
        if not self._moved:
            return
        moved, self._moved = self._moved, {}
        for unit in [one for one in self.units.values() if one.base.center_id in moved]:
            center_id = unit.base.center_id
            self.units[unit.id] = replace(unit, base=Ownership(center_id=center_id, path=moved[center_id]))
        for camera in list(self.cameras.values()):
            if camera.station_id is not None and camera.station_id in moved:
                self.cameras[camera.id] = replace(camera, path=moved[camera.station_id])

    def _apply_camera(
        self, camera_id: UUID, event: CameraInstalled | CameraAttached | CameraDetached | CameraExpired
    ) -> None:
        if isinstance(event, CameraDetached | CameraExpired):
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
            expires_at=event.expires_at if isinstance(event, CameraAttached) else None,
        )
        self.cameras[camera_id] = entry
        self._camera_codes[entry.code] = camera_id
        if entry.gateway is not None:
            for alias in entry.aliases:
                self._camera_aliases[entry.gateway, alias] = camera_id

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

    def condition(self, camera_id: UUID) -> Condition:
        """How a camera is."""
        return self.conditions.get(camera_id, NOTHING_WRONG)

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
