"""The camera directory: cameras and the sites they hang on, found by place, code, alias or station."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from domain.camera import events as camera
from domain.event import Event, Fact
from domain.vocabulary import CameraHealth
from projections import tables
from projections.addressing import names
from projections.projection import Key, Projection, Row
from projections.shown import columns_shown, instant, point


class Cameras(Projection):
    """One row a camera."""

    name = "cameras"
    version = 3
    table = tables.cameras
    topics = names(
        (
            camera.CameraInstalled,
            camera.CameraAttached,
            camera.CameraDetached,
            camera.CameraExpired,
            camera.CameraHealthChanged,
            camera.CameraArmingChanged,
        )
    )
    is_append_only = False

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The camera."""
        return ((fact.stream_id,),)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The camera after the fact."""
        match fact.event:
            case camera.CameraInstalled() as event:
                return {**_installed(event, fact), **_kept(row)}
            case camera.CameraAttached() as event:
                kept = _kept(row)
                ended = _ended(kept["attachments"], fact.occurred_at, "renewed", None)
                return {**_attached(event, fact), **kept, "attachments": [*ended, _attachment(event, fact)]}
            case camera.CameraDetached(reason=reason) if row is not None:
                ended = _ended(row["attachments"], fact.occurred_at, "detached", reason)
                return {**row, "detached_at": fact.occurred_at, "detached_reason": reason, "attachments": ended}
            case camera.CameraExpired(due_at=due_at) if row is not None:
                ended = _ended(row["attachments"], due_at, "expired", None)
                return {**row, "detached_at": due_at, "detached_reason": None, "attachments": ended}
            case camera.CameraHealthChanged() as event if row is not None:
                return _health(row, event, fact)
            case camera.CameraArmingChanged() as event if row is not None:
                return _arming(row, event, fact)
            case _:
                return row


class Sites(Projection):
    """One row a site."""

    name = "sites"
    version = 1
    table = tables.sites
    topics = names((camera.SiteBuilt,))
    is_append_only = False

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The site."""
        return ((fact.stream_id,),)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The site as built."""
        event = fact.event
        if not isinstance(event, camera.SiteBuilt):
            return row
        return {
            "site_id": fact.stream_id,
            "city": event.city,
            "code": event.code,
            "site_class": event.site_class.value,
            "lon": event.location.lon,
            "lat": event.location.lat,
            "address": event.address,
            "owner": event.owner,
            "operator": event.operator,
            "maintainer": event.maintainer,
            "phase": event.phase,
            "built_on": event.built_on,
            "station_id": event.station_id,
            "path": list(event.path),
        }


_PLACE = frozenset({"lon", "lat"})
_camera_shown = columns_shown(column for column in tables.cameras.columns if column.name not in _PLACE)
_site_shown = columns_shown(column for column in tables.sites.columns if column.name not in _PLACE)
_ADDED = ("silent", "site_class", "address", "site_phase", "distance_m")
"""By queries."""


def item(row: Row) -> dict[str, Any]:
    """A camera as JSON shows it, with what the query added."""
    listed = _camera_shown(row)
    listed.update((name, row[name]) for name in _ADDED if name in row)
    listed["location"] = point(row["lon"], row["lat"])
    return listed


def site_item(row: Row) -> dict[str, Any]:
    """A site as JSON shows it."""
    return {**_site_shown(row), "location": point(row["lon"], row["lat"])}


def _row(event: camera.CameraInstalled | camera.CameraAttached, fact: Fact[Event]) -> dict[str, Any]:
    return {
        "camera_id": fact.stream_id,
        "city": event.city,
        "code": event.code,
        "label": event.label,
        "lon": event.location.lon,
        "lat": event.location.lat,
        "station_id": event.station_id,
        "path": list(event.path),
        "detached_at": None,
        "detached_reason": None,
    }


def _installed(event: camera.CameraInstalled, fact: Fact[Event]) -> Row:
    return _row(event, fact) | {
        "is_own": True,
        "site_id": event.site_id,
        "bearing_deg": event.bearing_deg,
        "range_m": event.range_m,
        "gateway": event.gateway,
        "aliases": list(event.aliases),
        "owner": None,
        "approved_by": None,
        "attached_reason": None,
        "attached_at": None,
        "expires_at": None,
    }


def _attached(event: camera.CameraAttached, fact: Fact[Event]) -> Row:
    return _row(event, fact) | {
        "is_own": False,
        "site_id": None,
        "bearing_deg": None,
        "range_m": None,
        "gateway": None,
        "aliases": [],
        "owner": event.owner,
        "approved_by": event.approved_by,
        "attached_reason": event.reason,
        "attached_at": fact.occurred_at,
        "expires_at": event.expires_at,
    }


UNTOLD: dict[str, Any] = {
    "attachments": [],
    "health": CameraHealth.ONLINE.value,
    "health_source": None,
    "health_reason": None,
    "health_since": None,
    "armed": True,
    "armed_source": None,
    "armed_cause": None,
    "armed_reason": None,
    "armed_since": None,
}
"""Of a camera of which nobody said anything."""


def _kept(row: Row | None) -> dict[str, Any]:
    """What another survey or another attachment does not change."""
    return dict(UNTOLD) if row is None else {name: row[name] for name in UNTOLD}


def _attachment(event: camera.CameraAttached, fact: Fact[Event]) -> dict[str, Any]:
    return {
        "attached_at": instant(fact.occurred_at),
        "expires_at": None if event.expires_at is None else instant(event.expires_at),
        "owner": event.owner,
        "approved_by": event.approved_by,
        "reason": event.reason,
        "ended_at": None,
        "ended_by": None,
        "ended_reason": None,
    }


def _ended(
    attachments: Sequence[dict[str, Any]], at: datetime, ended_by: str, reason: str | None
) -> list[dict[str, Any]]:
    """The same, the last of them over."""
    if not attachments or attachments[-1]["ended_at"] is not None:
        return [*attachments]
    last = {**attachments[-1], "ended_at": instant(at), "ended_by": ended_by, "ended_reason": reason}
    return [*attachments[:-1], last]


def _health(row: Row, event: camera.CameraHealthChanged, fact: Fact[Event]) -> Row:
    if event.effective.value == row["health"]:
        return row
    return {
        **row,
        "health": event.effective.value,
        "health_source": event.source.value,
        "health_reason": event.reason,
        "health_since": fact.occurred_at if event.trouble is None else event.trouble.told_at,
    }


def _arming(row: Row, event: camera.CameraArmingChanged, fact: Fact[Event]) -> Row:
    if event.effective == row["armed"]:
        return row
    return {
        **row,
        "armed": event.effective,
        "armed_source": event.source.value,
        "armed_cause": event.cause.value,
        "armed_reason": event.reason,
        "armed_since": fact.occurred_at,
    }
