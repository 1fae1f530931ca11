"""Arithmetic on the earth: distances, and the shifted datum of Chinese sources.

GCJ-02 ("Mars coordinates") is WGS 84 displaced by some hundred metres inside China. The forward formula is public
knowledge (eviltransform, 2013); it has no closed inverse, so ours iterates until the forward result agrees.
"""

from __future__ import annotations

import math

from domain.event import GeoPoint

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius (IUGG)."""
_KRASOVSKY_AXIS_M = 6_378_245.0
_KRASOVSKY_ECCENTRICITY_SQUARED = 0.006_693_421_622_965_943
_INVERSE_STEPS_MAX = 12
_INVERSE_TOLERANCE_DEG = 1e-9
"""About 0.1 mm; the inverse reaches it in four or five steps anywhere in China."""


def distance_m(a: GeoPoint, b: GeoPoint) -> float:
    """Great-circle distance (haversine); off by at most 0.5 % from the ellipsoid."""
    lat_a, lat_b = math.radians(a.lat), math.radians(b.lat)
    half_lat = math.sin((lat_b - lat_a) / 2)
    half_lon = math.sin(math.radians(b.lon - a.lon) / 2)
    chord = half_lat * half_lat + math.cos(lat_a) * math.cos(lat_b) * half_lon * half_lon
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(chord)))


def wgs84_to_gcj02(point: GeoPoint) -> GeoPoint:
    """The displaced coordinates of a true place; outside China nothing is displaced."""
    if not in_displaced_area(point):
        return point
    lon_shift, lat_shift = _displacement(point.lon, point.lat)
    return GeoPoint(lon=point.lon + lon_shift, lat=point.lat + lat_shift)


def gcj02_to_wgs84(point: GeoPoint) -> GeoPoint:
    """The true place of displaced coordinates, to a millimetre; outside China nothing is displaced."""
    if not in_displaced_area(point):
        return point
    lon, lat = point.lon, point.lat
    for _ in range(_INVERSE_STEPS_MAX):
        lon_shift, lat_shift = _displacement(lon, lat)
        lon_error, lat_error = lon + lon_shift - point.lon, lat + lat_shift - point.lat
        lon, lat = lon - lon_error, lat - lat_error
        if max(abs(lon_error), abs(lat_error)) < _INVERSE_TOLERANCE_DEG:
            break
    return GeoPoint(lon=lon, lat=lat)


def in_displaced_area(point: GeoPoint) -> bool:
    """The rectangle inside which map services displace; coarser than the border, as theirs is."""
    return 72.004 <= point.lon <= 137.8347 and 0.8293 <= point.lat <= 55.8271


def _displacement(lon: float, lat: float) -> tuple[float, float]:
    """Degrees added to longitude and latitude."""
    x, y = lon - 105.0, lat - 35.0
    ripple = (20.0 * math.sin(6.0 * x * math.pi) + 20.0 * math.sin(2.0 * x * math.pi)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + ripple
    north += (20.0 * math.sin(y * math.pi) + 40.0 * math.sin(y / 3.0 * math.pi)) * 2.0 / 3.0
    north += (160.0 * math.sin(y / 12.0 * math.pi) + 320.0 * math.sin(y * math.pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + ripple
    east += (20.0 * math.sin(x * math.pi) + 40.0 * math.sin(x / 3.0 * math.pi)) * 2.0 / 3.0
    east += (150.0 * math.sin(x / 12.0 * math.pi) + 300.0 * math.sin(x / 30.0 * math.pi)) * 2.0 / 3.0
    latitude = math.radians(lat)
    magic = 1 - _KRASOVSKY_ECCENTRICITY_SQUARED * math.sin(latitude) ** 2
    root = math.sqrt(magic)
    meridian_m = _KRASOVSKY_AXIS_M * (1 - _KRASOVSKY_ECCENTRICITY_SQUARED) / (magic * root) * math.pi / 180.0
    parallel_m = _KRASOVSKY_AXIS_M / root * math.cos(latitude) * math.pi / 180.0
    return east / parallel_m, north / meridian_m
