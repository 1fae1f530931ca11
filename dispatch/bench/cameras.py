"""`dispatch bench cameras`: a city with every camera that may be attached, listed and looked along.

A system of its own with the sample city's 16,000 cameras and 150,000 attached ones spread around them (O7, O8). Each
list that people open is asked for again and again in other places; routes of 20 km are looked along. Beside it the
statement of one list is sent to PostgreSQL by the bare driver: what the API adds is the rest.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random  # noqa: TID251  # places on a map; the same seed, the same places
from typing import Any
from urllib.parse import urlencode

import asyncpg
from pydantic_core import to_json
from sqlalchemy.dialects import postgresql

from dispatch.api.access.tokens import Identity
from dispatch.bench.scratch import scratch
from dispatch.bench.storm import percentile
from dispatch.bench.wire import Connection
from dispatch.bootstrap.foundation import Foundation, foundation
from dispatch.bootstrap.tokens import issue_token
from dispatch.cli.up import Running, running_system
from dispatch.config import Settings
from dispatch.handling.scribe import Change, Request
from domain.camera.events import CameraAttached
from domain.event import Actor, GeoPoint
from domain.identifiers import camera_id
from domain.policies.proximity import METRES_A_DEGREE
from domain.refusals import Unavailable
from domain.vocabulary import ActorKind, CenterKind, Role
from projections.queries import cameras as queries

ATTACHED = 150_000
PAGE_CAMERAS = 500
ASKED = 200
"""Of each list."""
WARM = 20
ROUTES = 20
ROUTE_M = 20_000.0
ROUTE_LEG_M = 200.0
SPREAD_DEG = 0.004
"""About 400 m: attached cameras are where the city's own are."""
BOX_DEG = 0.01
SEEN_WITHIN_S = 120.0
LIMIT = 100

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class CameraOptions:
    """How many are attached, and where chance begins."""

    attached: int = ATTACHED
    seed: int = 1


async def bench_cameras(options: CameraOptions, *, say: Say, advance: Callable[[int], None]) -> dict[str, float | int]:
    """The figures. Raises `Unavailable` if the system does not start or a request fails."""
    chance = Random(options.seed)  # noqa: S311  # no secrets here
    with scratch("dispatch-cameras-") as folder:
        settings = Settings(data_dir=folder, port=0, log_level="warning", caller_requests_per_s=100_000)
        async with running_system(settings, say=say) as running, foundation(running.settings) as base:
            own = sorted((camera.location.lon, camera.location.lat) for camera in base.directory.cameras.values())
            places = [GeoPoint(lon=lon, lat=lat) for lon, lat in own]
            centers = [
                str(center.id)
                for center in base.directory.centers.values()
                if center.kind in {CenterKind.STATION, CenterKind.DISTRICT}
            ]
            codes = [camera.code for camera in base.directory.cameras.values()]
            began = time.monotonic()
            await _attach(base, places, options.attached, chance, advance)
            attach_s = time.monotonic() - began
            await _until_shown(base, len(own) + options.attached)
            figures: dict[str, float | int] = {
                "cameras": len(own) + options.attached,
                "attached_per_s": round(options.attached / attach_s),
            }
            say("lists")
            connection = Connection(running.address, _token(running))
            lists = _lists(places, centers, codes, chance)
            for name, paths in lists.items():
                figures |= _figures(name, await _timed(paths, lambda path: _get(connection, path)))
            figures["list_ms_p99"] = max(figures[f"{name}_ms_p99"] for name in lists)
            raw = await _raw(base.pool, places, chance)
            figures["raw_ms_p50"] = percentile(sorted(raw), 50)
            figures["ratio_raw_bbox"] = round(figures["raw_ms_p50"] / figures["bbox_ms_p50"], 3)
            say("routes of 20 km")
            routes = [_route(chance.choice(places), chance) for _ in range(ROUTES)]
            figures |= _figures("route", await _timed(routes, lambda body: _post(connection, body), warm=2))
            return figures


async def _attach(
    base: Foundation, places: Sequence[GeoPoint], count: int, chance: Random, advance: Callable[[int], None]
) -> None:
    now = base.clock.now()
    for start in range(0, count, PAGE_CAMERAS):
        changes = []
        for number in range(start, min(count, start + PAGE_CAMERAS)):
            near = chance.choice(places)
            location = GeoPoint(
                lon=near.lon + chance.uniform(-SPREAD_DEG, SPREAD_DEG),
                lat=near.lat + chance.uniform(-SPREAD_DEG, SPREAD_DEG),
            )
            centers = base.directory.locate(location)
            code = f"social-{number:06d}"
            attached = CameraAttached(
                city=base.directory.city,
                code=code,
                label=f"临街商户 {number}",
                location=location,
                owner=f"业主 {number % 997}",
                approved_by="bench",
                reason="整治期间接入",
                expires_at=now + timedelta(days=365),
                station_id=centers[-1].id if centers and centers[-1].kind is CenterKind.STATION else None,
                path=tuple(center.id for center in centers),
            )
            changes.append(Change(camera_id(base.directory.city, code), 0, (attached,)))
        actor = Actor(kind=ActorKind.SYSTEM, id="bench")
        await base.scribe.record(changes, Request(actor=actor, received_at=now, request_id=base.ids.new()))
        advance(len(changes))


async def _until_shown(base: Foundation, cameras: int) -> None:
    """All of them, and in every projection: what is measured is lists, not lists beside a bulk load."""
    began, tip = time.monotonic(), (await base.log.tip()).position
    while (
        await base.pool.fetchval("SELECT count(*) FROM read.cameras") < cameras
        or await base.pool.fetchval("SELECT min(position) FROM read.checkpoints") < tip
    ):
        if time.monotonic() - began > SEEN_WITHIN_S:
            raise Unavailable("bench.not_settled", "The cameras did not appear in time. Look at the worker's log.")


def _token(running: Running) -> str:
    return issue_token(running.settings, Identity("auditor:bench", (Role.AUDITOR,)))


def _lists(
    places: Sequence[GeoPoint], centers: Sequence[str], codes: Sequence[str], chance: Random
) -> dict[str, list[str]]:
    """Every list of cameras that there is, in many places, and what people look at beside them."""

    def cameras(**asked: Any) -> str:
        return f"/v1/cameras?{urlencode({'limit': LIMIT, **asked})}"

    def spots() -> Iterator[GeoPoint]:
        return (chance.choice(places) for _ in range(ASKED + WARM))

    return {
        "bbox": [cameras(bbox=_box(spot)) for spot in spots()],
        "bbox_attached": [cameras(bbox=_box(spot), own="false") for spot in spots()],
        "near": [cameras(near=f"{spot.lon},{spot.lat}", radius_m=500) for spot in spots()],
        "center": [cameras(center_id=chance.choice(centers)) for _ in spots()],
        "center_attached": [cameras(center_id=chance.choice(centers), own="false") for _ in spots()],
        "center_class": [cameras(center_id=chance.choice(centers), site_class="school") for _ in spots()],
        "reference": [cameras(reference=chance.choice(codes)) for _ in spots()],
        "sites": [f"/v1/sites?limit={LIMIT}&center_id={chance.choice(centers)}" for _ in spots()],
        "centers": [f"/v1/centers?limit={LIMIT}" for _ in spots()],
        "board": [f"/v1/centers/{chance.choice(centers)}/board?limit={LIMIT}" for _ in spots()],
    }


def _box(spot: GeoPoint) -> str:
    edges = (spot.lon - BOX_DEG, spot.lat - BOX_DEG, spot.lon + BOX_DEG, spot.lat + BOX_DEG)
    return ",".join(f"{edge:.6f}" for edge in edges)


def _route(start: GeoPoint, chance: Random) -> dict[str, Any]:
    """20 km through the city in legs of 200 m, turning a little at each."""
    lon, lat, east, north = start.lon, start.lat, 1.0, 0.0
    line = [[lon, lat]]
    for _ in range(round(ROUTE_M / ROUTE_LEG_M)):
        east, north = east + chance.uniform(-0.3, 0.3), north + chance.uniform(-0.3, 0.3)
        length = (east * east + north * north) ** 0.5 or 1.0
        lon += east / length * ROUTE_LEG_M / METRES_A_DEGREE / 0.86
        lat += north / length * ROUTE_LEG_M / METRES_A_DEGREE
        line.append([lon, lat])
    return {"route": {"type": "LineString", "coordinates": line}}


async def _timed(asked: Sequence[Any], ask: Callable[[Any], Awaitable[None]], *, warm: int = WARM) -> list[float]:
    """Milliseconds of each but the first few."""
    found = []
    for number, one in enumerate(asked):
        began = time.perf_counter()
        await ask(one)
        if number >= warm:
            found.append((time.perf_counter() - began) * 1000)
    return found


async def _get(connection: Connection, path: str) -> None:
    answer = await connection.request("GET", path)
    if answer.status != 200:  # HTTP's own
        raise Unavailable("bench.refused", f"GET {path}: {answer.status} {answer.body[:200]!r}")


async def _post(connection: Connection, body: Any) -> None:
    answer = await connection.request("POST", "/v1/coverage/route", to_json(body))
    if answer.status != 200:  # HTTP's own
        raise Unavailable("bench.refused", f"coverage: {answer.status} {answer.body[:200]!r}")


def _figures(name: str, milliseconds: Sequence[float]) -> dict[str, float | int]:
    ordered = sorted(milliseconds)
    return {f"{name}_ms_p50": percentile(ordered, 50), f"{name}_ms_p99": percentile(ordered, 99)}


async def _raw(pool: asyncpg.Pool, places: Sequence[GeoPoint], chance: Random) -> list[float]:
    """The statement of a box, by the driver alone."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]

    async def fetch(spot: GeoPoint) -> None:
        box = queries.Box(spot.lon - BOX_DEG, spot.lat - BOX_DEG, spot.lon + BOX_DEG, spot.lat + BOX_DEG)
        statement = queries.inside(box, limit=LIMIT)
        await pool.fetch(str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})))

    return await _timed([chance.choice(places) for _ in range(ASKED + WARM)], fetch)
