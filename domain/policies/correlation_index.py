"""What correlation knows: incidents it may fold into, alerts that wait. A fold of the log and of nothing else.

The problem: the index must be the same after a crash as it was before, or a re-run decides differently. The obvious
way, keeping what we just decided in memory, drifts as soon as an append fails. The rule kept instead: the index
changes only by facts read back from the log; while a page is judged, the page's own effects are laid over it
(`tentatively`) and taken off again, whatever happened.

Old things leave: an incident whose last sign of life is older than `retention_s` before the newest one (the horizon)
can match nothing, neither here nor in an index rebuilt from the last `retention_s` of the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import TypeAlias
from uuid import UUID

from domain.alert.events import AlertsRecordedOnly, AlertsWaited, WaitingAlert
from domain.event import Event, Fact, GeoPoint
from domain.incident import events as incident_events
from domain.incident.events import (
    AlertsFolded,
    EvidenceAttached,
    IncidentClassified,
    IncidentClosed,
    IncidentDismissed,
    IncidentMerged,
    IncidentOpened,
    IncidentRelocated,
    IncidentReopened,
    IncidentResolved,
    IncidentUnmerged,
    NoteAdded,
    NoteStruck,
    NumberAllocated,
    ReportAttached,
    SeverityRaised,
)
from domain.incident.plan_events import UnitsRecommended
from domain.policies.correlation_rules import CorrelationRules
from domain.policies.proximity import Grid
from domain.vocabulary import DismissReason, MessageStatus, Severity

CELL_M = 250.0
"""Grid cells: a few of them cover the usual radius; a wide warning walks more of them, and there are few warnings."""
QUIET_REASONS = frozenset({DismissReason.FALSE_ALARM, DismissReason.UNFOUNDED})
"""Dismissals after which repeats stay quiet. What was gone on arrival may come back; a test may turn into the real."""
SWEEP_EVERY = 1_000
"""Facts between two looks for what may be forgotten."""


class Standing(Enum):
    """May alerts fold into it?"""

    LIVE = "live"
    QUIET = "quiet"
    """Dismissed as false: for a while repeats that are no worse stay with it."""
    MERGED = "merged"
    """Folds go to its head."""
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Tracked:
    """One incident as correlation sees it. `version` is that of its decision stream."""

    incident_id: UUID
    version: int
    opened_position: int
    status: MessageStatus
    category: str
    severity: Severity
    priority: int
    first_at: datetime
    last_at: datetime
    point: GeoPoint | None = None
    source: str | None = None
    standing: Standing = Standing.LIVE
    before_merge: Standing = Standing.LIVE
    head_id: UUID | None = None
    dismissed_at: datetime | None = None

    def seen(self, first_at: datetime, last_at: datetime, risen: tuple[Severity, int] | None = None) -> Tracked:
        """The same after signs of life from `first_at` to `last_at`; with another severity and priority, if given.

        Written out: every alert that folds comes by here, and `dataclasses.replace` takes three times as long.
        """
        severity, priority = risen or (self.severity, self.priority)
        return Tracked(
            self.incident_id,
            self.version,
            self.opened_position,
            self.status,
            self.category,
            severity,
            priority,
            min(self.first_at, first_at),
            max(self.last_at, last_at),
            self.point,
            self.source,
            self.standing,
            self.before_merge,
            self.head_id,
            self.dismissed_at,
        )


NOT_FOLDED = frozenset(
    event.name for event in (NumberAllocated, UnitsRecommended, NoteAdded, NoteStruck, EvidenceAttached)
)

Lane: TypeAlias = tuple[str, MessageStatus]
"""Category and status: an exercise never meets an actual incident."""
Spot: TypeAlias = tuple[str, MessageStatus, str]
"""Without a point, alerts of one source meet."""


class CorrelationIndex:
    """Open incidents and waiting alerts, by place and by source."""

    def __init__(self) -> None:
        self.position = 0
        self.horizon: datetime | None = None
        self.incidents: dict[UUID, Tracked] = {}
        self.waiting: dict[int, WaitingAlert] = {}
        self.by_warning: dict[str, tuple[UUID, ...]] = {}
        """`sender,identifier` → the incidents that the message opened or folded into, oldest first."""
        self.late_folds: dict[int, UUID] = {}
        """Alert position → alert id: folded into an incident that somebody had ended a moment before."""
        self._incident_grids: dict[Lane, Grid[UUID]] = {}
        self._incident_spots: dict[Spot, set[UUID]] = {}
        self._waiting_grids: dict[str, Grid[int]] = {}
        self._waiting_spots: dict[tuple[str, str], set[int]] = {}
        self._undo: dict[tuple[str, UUID | int | str], object] | None = None
        """What each thing was before it was first changed."""
        self._applied = 0

    # What judging reads.

    def incidents_near(self, lane: Lane, point: GeoPoint | None, source: str, radius_m: float) -> Iterator[Tracked]:
        """Incidents of the lane around a point; without a point, those of the same source without one."""
        if point is None:
            keys: Iterable[UUID] = self._incident_spots.get((*lane, source), ())
        else:
            grid = self._incident_grids.get(lane)
            keys = grid.near(point, radius_m) if grid is not None else ()
        return (self.incidents[key] for key in keys)

    def waiting_near(self, category: str, point: GeoPoint | None, source: str, radius_m: float) -> list[WaitingAlert]:
        """Waiting alerts of the category around a point; without a point, those of the same source without one."""
        if point is None:
            keys = self._waiting_spots.get((category, source), set())
            return [self.waiting[key] for key in keys]
        grid = self._waiting_grids.get(category)
        return [self.waiting[key] for key in grid.near(point, radius_m)] if grid is not None else []

    def head_of(self, tracked: Tracked) -> Tracked | None:
        """The incident that stands for this one after merges; None if it left the index."""
        found: Tracked | None = tracked
        while found is not None and found.standing is Standing.MERGED and found.head_id is not None:
            found = self.incidents.get(found.head_id)
        return found

    def is_forgotten(self, tracked: Tracked, rules: CorrelationRules) -> bool:
        """Whether it, or an incident on the way to its head, is older than what is remembered.

        Sweeping happens now and then, and an index rebuilt from the log begins later: neither may decide anything. So
        what might have been swept counts as swept.
        """
        found: Tracked | None = tracked
        while found is not None and self.horizon is not None:
            if self.horizon - found.last_at > rules.retention:
                return True
            if found.standing is not Standing.MERGED or found.head_id is None:
                return False
            found = self.incidents.get(found.head_id)
        return False

    # How it changes.

    def put(self, tracked: Tracked) -> None:
        """Add or replace an incident."""
        before = self.incidents.get(tracked.incident_id)
        self._remember("incident", tracked.incident_id, before)
        if before is not None and _place_of(before) != _place_of(tracked):
            self._take_off(before)
            before = None
        self.incidents[tracked.incident_id] = tracked
        if before is None:
            self._lay(tracked)
        self._reach(tracked.last_at)

    def drop(self, incident_id: UUID) -> None:
        """Forget an incident."""
        before = self.incidents.pop(incident_id, None)
        if before is not None:
            self._remember("incident", incident_id, before)
            self._take_off(before)

    def wait(self, alert: WaitingAlert) -> None:
        """Let an alert wait."""
        self._remember("waiting", alert.position, self.waiting.get(alert.position))
        self.waiting[alert.position] = alert
        if alert.point is None:
            self._waiting_spots.setdefault((alert.category, alert.source), set()).add(alert.position)
        else:
            self._waiting_grids.setdefault(alert.category, Grid(CELL_M)).put(alert.position, alert.point)
        self._reach(alert.occurred_at)

    def settle(self, position: int) -> None:
        """An alert waits no more; an unknown position is no matter."""
        alert = self.waiting.pop(position, None)
        if alert is None:
            return
        self._remember("waiting", position, alert)
        if alert.point is None:
            self._waiting_spots[alert.category, alert.source].discard(position)
        else:
            self._waiting_grids[alert.category].remove(position)

    def announce(self, warning: str, incident_id: UUID) -> None:
        """A public warning (`sender,identifier`) belongs to this incident."""
        before = self.by_warning.get(warning, ())
        if incident_id not in before:
            self._remember("warning", warning, before)
            self.by_warning[warning] = (*before, incident_id)

    @contextmanager
    def tentatively(self) -> Iterator[None]:
        """Changes made inside are taken back at the end."""
        assert self._undo is None, "one page at a time"
        horizon, self._undo = self.horizon, {}
        try:
            yield
        finally:
            undo, self._undo = self._undo, None
            for (kind, key), before in undo.items():
                self._restore(kind, key, before)
            self.horizon = horizon

    def _remember(self, kind: str, key: UUID | int | str, before: object) -> None:
        if self._undo is not None:
            self._undo.setdefault((kind, key), before)

    def _restore(self, kind: str, key: UUID | int | str, before: object) -> None:
        if kind == "incident" and isinstance(key, UUID):
            if isinstance(before, Tracked):
                self.put(before)
            else:
                self.drop(key)
        elif kind == "waiting" and isinstance(key, int):
            if isinstance(before, WaitingAlert):
                self.wait(before)
            else:
                self.settle(key)
        elif isinstance(before, tuple) and before:
            self.by_warning[str(key)] = before
        else:
            self.by_warning.pop(str(key), None)

    def _lay(self, tracked: Tracked) -> None:
        if tracked.point is None:
            spot = (tracked.category, tracked.status, tracked.source or "")
            self._incident_spots.setdefault(spot, set()).add(tracked.incident_id)
        else:
            lane = (tracked.category, tracked.status)
            self._incident_grids.setdefault(lane, Grid(CELL_M)).put(tracked.incident_id, tracked.point)

    def _take_off(self, tracked: Tracked) -> None:
        if tracked.point is None:
            spot = (tracked.category, tracked.status, tracked.source or "")
            self._incident_spots[spot].discard(tracked.incident_id)
        else:
            self._incident_grids[tracked.category, tracked.status].remove(tracked.incident_id)

    def _reach(self, instant: datetime) -> None:
        if self.horizon is None or instant > self.horizon:
            self.horizon = instant

    # Facts.

    def apply(self, fact: Fact[Event]) -> None:
        """Fold one fact. Facts about incidents that left the index, and all other facts, change nothing."""
        self.position = max(self.position, fact.position)
        self._applied += 1
        match fact.gist():
            case IncidentOpened() as event:
                self._apply_opened(fact, event)
            case AlertsFolded() as event:
                self._apply_folded(event)
            case AlertsWaited(alerts=alerts):
                for alert in alerts:
                    self.late_folds.pop(alert.position, None)
                    self.wait(alert)
            case AlertsRecordedOnly(alerts=left_alone):
                for judged in left_alone:
                    self.late_folds.pop(judged.position, None)
            case ReportAttached(incident_id=incident_id):
                tracked = self.incidents.get(incident_id)
                if tracked is not None:
                    self.put(tracked.seen(fact.occurred_at, fact.occurred_at))
            case event:
                tracked = self.incidents.get(fact.stream_id)
                if tracked is not None:
                    self.put(_decided(replace(tracked, version=fact.version), event, fact.occurred_at))

    def sweep(self, rules: CorrelationRules) -> None:
        """Forget what can match nothing any more. Looks only after `SWEEP_EVERY` more facts."""
        if self.horizon is None or self._applied < SWEEP_EVERY:
            return
        self._applied = 0
        oldest = self.horizon - rules.retention
        for tracked in [tracked for tracked in self.incidents.values() if tracked.last_at < oldest]:
            self.drop(tracked.incident_id)
        kept = {
            warning: tuple(each for each in incidents if each in self.incidents)
            for warning, incidents in self.by_warning.items()
        }
        self.by_warning = {warning: incidents for warning, incidents in kept.items() if incidents}
        for alert in [alert for alert in self.waiting.values() if rules.is_past(alert, self.horizon)]:
            self.settle(alert.position)

    def _apply_opened(self, fact: Fact[Event], event: IncidentOpened) -> None:
        cause, said_at = event.cause, fact.occurred_at
        for position in cause.alert_positions:
            self.settle(position)
            self.late_folds.pop(position, None)
        for warning in cause.warnings:
            self.announce(warning, fact.stream_id)
        self.put(
            Tracked(
                incident_id=fact.stream_id,
                version=fact.version,
                opened_position=fact.position,
                status=event.status,
                category=event.category,
                severity=event.severity,
                priority=event.priority,
                first_at=cause.first_occurred_at or said_at,
                last_at=cause.last_occurred_at or said_at,
                point=event.place.point,
                source=cause.source,
            )
        )

    def _apply_folded(self, event: AlertsFolded) -> None:
        tracked = self.incidents.get(event.incident_id)
        ended = tracked is not None and tracked.standing is Standing.OVER
        for alert in event.alerts:
            self.settle(alert.position)
            self.late_folds.pop(alert.position, None)
            if ended:
                self.late_folds[alert.position] = alert.alert_id
            elif alert.warning is not None:
                self.announce(alert.warning, event.incident_id)
        if tracked is not None and not ended:
            self.put(tracked.seen(event.first_occurred_at, event.last_occurred_at))


def _place_of(tracked: Tracked) -> tuple[object, ...]:
    return tracked.category, tracked.status, tracked.point, tracked.source


def _decided(tracked: Tracked, event: Event, at: datetime) -> Tracked:
    """What a decision of people means for folding."""
    match event:
        case IncidentClassified(category=category, severity=severity, priority=priority):
            return replace(tracked, category=category, severity=severity, priority=priority)
        case SeverityRaised(to_severity=severity, priority=priority):
            return replace(tracked, severity=severity, priority=priority)
        case IncidentRelocated(place=place):
            return replace(tracked, point=place.point)
        case IncidentDismissed(reason=reason):
            standing = Standing.QUIET if reason in QUIET_REASONS else Standing.OVER
            return replace(tracked, standing=standing, dismissed_at=at)
        case IncidentResolved() | IncidentClosed():
            return replace(tracked, standing=Standing.OVER)
        case IncidentReopened():
            return replace(tracked, standing=Standing.LIVE, last_at=max(tracked.last_at, at))
        case IncidentMerged(into_incident_id=into):
            return replace(tracked, standing=Standing.MERGED, before_merge=tracked.standing, head_id=into)
        case IncidentUnmerged():
            return replace(tracked, standing=tracked.before_merge, head_id=None)
        case _:
            return tracked


TOPICS: tuple[str, ...] = (
    *(event.name for event in incident_events.EVENTS if event.name not in NOT_FOLDED),
    AlertsWaited.name,
    AlertsRecordedOnly.name,
)
"""What the index folds: every decision on an incident (for its version), folds, reports and waits."""
