"""Where a public warning of several shapes is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from domain.alert.events import WarningDetails
from domain.event import GeoPoint


def middles(warning: WarningDetails) -> Iterator[GeoPoint]:
    """The middle of each circle, then of each ring. A warning of codes alone has none."""
    for lon, lat, _ in warning.circles:
        yield GeoPoint(lon=lon, lat=lat)
    for ring in warning.polygons:
        yield middle_of(ring)


def middle_of(ring: Sequence[tuple[float, float]]) -> GeoPoint:
    """Middle of the ring's bounding box; a ring across the 180th meridian is unrolled first."""
    longitudes = [lon for lon, _ in ring]
    if max(longitudes) - min(longitudes) > 180:
        longitudes = [lon + 360 if lon < 0 else lon for lon in longitudes]
    latitudes = [lat for _, lat in ring]
    lon = (min(longitudes) + max(longitudes)) / 2
    return GeoPoint(lon=lon - 360 if lon > 180 else lon, lat=(min(latitudes) + max(latitudes)) / 2)
