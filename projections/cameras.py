"""The camera directory: cameras and the sites they hang on, found by place, code, alias or station."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.camera import events as camera
from domain.event import Event, Fact
from projections import tables
from projections.addressing import names
from projections.projection import Key, Projection, Row
from projections.shown import point, shown


class Cameras(Projection):
    """One row a camera."""

    name = "cameras"
    version = 1
    table = tables.cameras
    topics = names((camera.CameraInstalled, camera.CameraAttached, camera.CameraDetached))
    is_append_only = False

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The camera."""
        return ((fact.stream_id,),)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The camera after the fact."""
        match fact.event:
            case camera.CameraInstalled() as event:
                return _installed(event, fact)
            case camera.CameraAttached() as event:
                return _attached(event, fact)
            case camera.CameraDetached(reason=reason) if row is not None:
                return {**row, "detached_at": fact.occurred_at, "detached_reason": reason}
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


def item(row: Row) -> dict[str, Any]:
    """A camera (or a site) as JSON shows it. Columns a query adds (`distance_m`, `site_class`) are kept."""
    listed: dict[str, Any] = shown({name: value for name, value in row.items() if name not in ("lon", "lat")})
    listed["location"] = point(row["lon"], row["lat"])
    return listed


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
        "expires_at": event.expires_at,
    }
